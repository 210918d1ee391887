//! What is told when it happens.

use platform::{
    network::NetworkChanges,
    watch::{Watch, WatchError},
};
use std::{io::ErrorKind, time::Duration};

const PATIENCE: Duration = Duration::from_secs(120);

/// A watch that is given hears; where there can be none it says so, and what happens then.
pub(crate) async fn of_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("options.toml");
    let mut watch = match Watch::of(std::slice::from_ref(&file)) {
        Ok(watch) => watch,
        Err(error @ WatchError::Unsupported) => return assert!(error.to_string().contains("next start"), "{error}"),
        Err(error) => panic!("{error}"),
    };
    // Windows keeps what is watched in its registry.
    if cfg!(windows) {
        return;
    }
    for content in ["first", "second"] {
        std::fs::write(&file, content).unwrap();
        tokio::time::timeout(PATIENCE, watch.changed()).await.expect("a change is heard");
    }
    std::fs::remove_file(&file).unwrap();
    tokio::time::timeout(PATIENCE, watch.changed()).await.expect("that it went is heard");
}

/// A subscription is given or refused with its reason; tests with a network of their own hear it.
pub(crate) async fn of_the_network() {
    match NetworkChanges::subscribe() {
        Ok(mut changes) => drop(tokio::time::timeout(Duration::ZERO, changes.next()).await.map(|ended| ended.unwrap())),
        Err(error) => assert_ne!(error.kind(), ErrorKind::Other, "{error}"),
    }
}
