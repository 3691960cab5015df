//! What people and nodes say: switches, dependencies, heartbeats.

use lockkeeper::queue::{Breaker, Dependency, DependencyKind, Scope, Switch, SwitchKind};

use crate::store::{Store, at, key, node};

both! {
    a_scope_has_one_switch,
    a_dependency_is_up_until_it_is_known_to_be_down,
    nodes_are_heard_of,
    a_breaker_can_be_closed_by_hand,
}

async fn a_scope_has_one_switch(store: &Store) {
    let [all, package, _] = Scope::around(&key("hello#f44"));
    let set = |scope: &Scope, kind, who: &str| {
        let switch = Switch {
            scope: scope.clone(),
            kind,
            reason: "a \"reason\"; with 'quotes'".to_owned(),
            who: who.to_owned(),
            since: at(0),
        };
        store.db.set_switch(switch)
    };
    set(&all, SwitchKind::Pause, "alice").await.unwrap();
    set(&package, SwitchKind::Throttle("1/h".parse().unwrap()), "bob").await.unwrap();
    set(&all, SwitchKind::Pause, "carol").await.unwrap();
    let switches = store.db.switches().await.unwrap();
    let who: Vec<&str> = switches.iter().map(|switch| switch.who.as_str()).collect();
    assert_eq!(who, ["carol", "bob"]);
    assert_eq!(switches[0].reason, "a \"reason\"; with 'quotes'");
    assert_eq!(store.db.clear_switch(&all).await.unwrap().unwrap().who, "carol");
    assert_eq!(store.db.switches().await.unwrap().len(), 1);
}

async fn a_dependency_is_up_until_it_is_known_to_be_down(store: &Store) {
    let forge = Dependency { kind: DependencyKind::Forge, name: "forge.example".to_owned() };
    let seen = |down, second| store.db.dependency_seen(&forge, down, at(second));
    assert!(store.db.is_up(&forge).await.unwrap());
    assert!(seen(Some("502"), 1).await.unwrap());
    assert!(!seen(Some("503"), 2).await.unwrap(), "that is no news");
    assert!(!store.db.is_up(&forge).await.unwrap());
    let record = store.db.dependencies().await.unwrap().remove(0);
    assert_eq!((record.up, record.since, record.seen_at), (false, at(1), at(2)));
    assert_eq!((record.dependency.clone(), record.why.as_deref()), (forge.clone(), Some("503")));
    assert!(seen(None, 3).await.unwrap());
    assert!(store.db.is_up(&forge).await.unwrap());
}

async fn nodes_are_heard_of(store: &Store) {
    store.db.heartbeat(&node("two"), "0.1.0", at(0), at(5)).await.unwrap();
    store.db.heartbeat(&node("one"), "0.1.0", at(0), at(5)).await.unwrap();
    store.db.heartbeat(&node("one"), "0.2.0", at(6), at(7)).await.unwrap();
    let nodes = store.db.nodes().await.unwrap();
    assert_eq!((nodes[0].name.as_str(), nodes[0].version.as_str()), ("one", "0.2.0"));
    assert_eq!((nodes[0].started_at, nodes[0].seen_at), (at(6), at(7)));
    store.db.farewell(&node("one")).await.unwrap();
    assert_eq!(store.db.nodes().await.unwrap().len(), 1);
}

async fn a_breaker_can_be_closed_by_hand(store: &Store) {
    store.db.close_breaker().await.unwrap();
    assert_eq!(store.db.breaker().await.unwrap(), Breaker::default());
}
