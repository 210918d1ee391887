//! The local channel.

use platform::{
    channel::{self, ChannelError, Listener},
    process,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// One agent listens, knows its callers from the operating system, and is told from none.
pub(crate) async fn hold() {
    let dir = tempfile::tempdir().unwrap();
    let runtime_dir = dir.path().join("run");
    let absent = channel::connect(&runtime_dir).await.unwrap_err();
    assert!(matches!(absent, ChannelError::NotRunning { .. }), "{absent}");

    let mut listener = Listener::bind(&runtime_dir).unwrap();
    let second = Listener::bind(&runtime_dir).unwrap_err();
    assert!(matches!(second, ChannelError::InUse { .. }), "{second}");
    for _ in 0..2 {
        let (near, far) = tokio::join!(channel::connect(&runtime_dir), listener.accept());
        let (mut near, (mut far, peer)) = (near.unwrap(), far.unwrap());
        assert!(peer.same_user, "{peer:?}");
        assert_eq!(peer.pid, Some(process::id()), "{peer:?}");
        assert_eq!(peer.uid, process::user_id(), "{peer:?}");
        assert_ne!(peer.uid.is_some(), peer.sid.is_some(), "one name for whose process it is: {peer:?}");

        near.write_all(b"question").await.unwrap();
        let mut heard = [0; 8];
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"question");
        far.write_all(b"answer").await.unwrap();
        far.shutdown().await.unwrap();
        let mut heard = [0; 6];
        near.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"answer");
        drop(far);
        assert!(matches!(near.read(&mut heard).await, Ok(0) | Err(_)), "who has gone says nothing more");
    }
    drop(listener);
    let gone = channel::connect(&runtime_dir).await.unwrap_err();
    assert!(matches!(gone, ChannelError::NotRunning { .. }), "{gone}");
}
