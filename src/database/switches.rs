//! Switches and the circuit breaker: what people, or many failures, hold back.

use super::Database;
use super::jobs::NEVER;
use super::session::{Session, values};
use super::trouble::Answer;
use crate::queue::{Breaker, Scope, Switch};

impl Database {
    /// Sets a pause or a throttle; it takes the place of the one that its scope had.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn set_switch(&self, switch: Switch) -> Answer<()> {
        const SQL: &str = "INSERT INTO switches (scope, value) VALUES ($1, $2) \
             ON CONFLICT (scope) DO UPDATE SET value = excluded.value";
        self.write(move |session| {
            Box::pin(async move {
                let value = serde_json::to_string(&switch).expect("a switch is plain data");
                session.change(SQL, values![switch.scope.to_string(), value]).await?;
                ask_again(session).await
            })
        })
        .await
    }

    /// Takes the switch of one scope away and returns it; others around it stay.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn clear_switch(&self, scope: &Scope) -> Answer<Option<Switch>> {
        const SQL: &str = "DELETE FROM switches WHERE scope = $1 RETURNING value";
        let scope = scope.to_string();
        self.write(move |session| {
            Box::pin(async move {
                let row = session.first(SQL, values![scope]).await?;
                ask_again(session).await?;
                row.map(|row| row.json(0)).transpose()
            })
        })
        .await
    }

    /// Returns all switches.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn switches(&self) -> Answer<Vec<Switch>> {
        self.read(|session| Box::pin(switches(session))).await
    }

    /// Returns where the circuit breaker stands.
    ///
    /// # Errors
    /// As for every question to the database.
    pub async fn breaker(&self) -> Answer<Breaker> {
        self.read(|session| Box::pin(breaker(session))).await
    }

    /// Closes the circuit breaker by hand: a person has seen to the cause.
    ///
    /// # Errors
    /// As for every change to the database.
    pub async fn close_breaker(&self) -> Answer<()> {
        self.write(|session| {
            Box::pin(async move {
                keep_breaker(session, &Breaker::default()).await?;
                ask_again(session).await
            })
        })
        .await
    }
}

pub(super) async fn switches(session: &mut Session) -> Answer<Vec<Switch>> {
    let rows = session.all("SELECT value FROM switches ORDER BY scope", values![]).await?;
    rows.iter().map(|row| row.json(0)).collect()
}

pub(super) async fn breaker(session: &mut Session) -> Answer<Breaker> {
    let row = session.first("SELECT value FROM breaker WHERE id = 1", values![]).await?;
    row.map_or(Ok(Breaker::default()), |row| row.json(0))
}

pub(super) async fn keep_breaker(session: &mut Session, breaker: &Breaker) -> Answer<()> {
    const SQL: &str = "INSERT INTO breaker (id, value) VALUES (1, $1) \
         ON CONFLICT (id) DO UPDATE SET value = excluded.value";
    let value = serde_json::to_string(breaker).expect("a breaker is plain data");
    session.change(SQL, values![value]).await.map(drop)
}

/// Has every job that is held asked again at the next claim: what holds it may be gone.
pub(super) async fn ask_again(session: &mut Session) -> Answer<()> {
    let sql = session.pick(
        "UPDATE jobs SET held = NULL, due_at = not_before \
         WHERE held IS NOT NULL AND state = 'delayed' AND due_at <= $1",
        "UPDATE jobs SET held = NULL, due_at = not_before WHERE id IN (SELECT id FROM jobs \
             WHERE held IS NOT NULL AND state = 'delayed' AND due_at <= $1 ORDER BY id FOR UPDATE)",
    );
    session.change(sql, values![NEVER]).await.map(drop)
}
