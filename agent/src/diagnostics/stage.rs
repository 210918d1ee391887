//! Something that is found out once and that several checks wait for.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

/// A value that is on its way.
#[derive(Debug)]
pub(super) struct Stage<T>(watch::Receiver<Option<Arc<T>>>);

impl<T> Clone for Stage<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> Stage<T> {
    /// Begins to find it out.
    pub(super) fn of(finding_out: impl Future<Output = T> + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel(None);
        tokio::spawn(async move {
            // Nobody waits any more if this fails.
            let _ = sender.send(Some(Arc::new(finding_out.await)));
        });
        Self(receiver)
    }

    /// Begins to find it out with calls that block.
    pub(super) fn blocking(finding_out: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel(None);
        tokio::task::spawn_blocking(move || {
            let _ = sender.send(Some(Arc::new(finding_out())));
        });
        Self(receiver)
    }

    /// The value, once it is there; pending for ever where finding it out broke, which the check's time limit ends.
    pub(super) async fn get(&self) -> Arc<T> {
        let mut receiver = self.0.clone();
        let found = match receiver.wait_for(Option::is_some).await {
            Ok(value) => (*value).clone(),
            Err(_) => None,
        };
        match found {
            Some(value) => value,
            None => std::future::pending().await,
        }
    }
}
