//! Stopping: one switch, and everybody who waits for it.

use tokio::sync::watch;

/// The switch; thrown once, or dropped, which counts as thrown.
#[derive(Debug)]
pub struct Switch(watch::Sender<bool>);

/// Somebody who waits for the switch.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Switch {
    /// Returns a switch, and the first to wait for it.
    pub fn new() -> (Switch, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Switch(sender), Stop(receiver))
    }

    /// Throws the switch.
    pub fn throw(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Tells whether the switch was thrown.
    pub fn is_told(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when the switch is thrown; may be dropped and asked again.
    pub async fn told(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Waits for `other`, but no longer than the switch lets it; `None` where that came first.
    pub async fn or<T>(&mut self, other: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.told() => None,
            done = other => Some(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_told_once_the_switch_is_thrown() {
        let (switch, mut stop) = Switch::new();
        assert!(!stop.is_told());
        assert_eq!(stop.or(async { 7 }).await, Some(7));
        switch.throw();
        assert!(stop.is_told());
        assert_eq!(stop.or(std::future::pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn a_switch_that_is_gone_counts_as_thrown() {
        let (switch, mut stop) = Switch::new();
        drop(switch);
        stop.told().await;
        assert!(stop.is_told());
    }
}
