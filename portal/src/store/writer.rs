//! The one writer: takes what is waiting, runs it in one transaction, commits once, and only then answers everybody.
//!
//! A commit costs one flush of the disk however much it holds, so under load the price of durability is shared.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AnyConnection, AnyPool, Connection as _, Executor as _};
use tokio::sync::{mpsc, oneshot};

use super::database::Kind;
use super::{StoreError, doing};

/// Pieces of work that share one commit at most; beyond it the first to come would wait for too many.
const GROUP: usize = 128;
/// What a writer has done since it began.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) commits: AtomicU64,
    pub(super) committed: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// Pieces of work that may wait before callers are held back.
const QUEUE: usize = 1024;

/// Work on the writer's connection, as a future that borrows it.
pub type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// Tells one caller how its work ended, given how the commit ended.
type Deliver = Box<dyn FnOnce(Result<(), CommitFailed>) + Send>;
type Job = Box<dyn for<'c> FnOnce(&'c mut AnyConnection) -> Pin<Box<dyn Future<Output = Done> + Send + 'c>> + Send>;

/// A piece of work that has run and waits for the commit.
struct Done {
    keep: bool,
    deliver: Deliver,
}

/// The commit failed; the driver's error went to the log, once for the whole group.
struct CommitFailed;

#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Message>,
    pub(super) counts: Arc<Counts>,
}

enum Message {
    Job(Job),
    Stop(oneshot::Sender<()>),
}

impl Writer {
    pub(super) fn start(pool: AnyPool, kind: Kind) -> Self {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let group_writer = GroupWriter { pool, kind, counts: Arc::clone(&counts) };
        tokio::spawn(write_in_groups(group_writer, waiting));
        Self { jobs, counts }
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            Box::pin(async move {
                let result = work(connection).await;
                let keep = result.is_ok();
                let deliver: Deliver = Box::new(move |commit| {
                    let result = match commit {
                        Ok(()) => result,
                        Err(CommitFailed) => result.and(Err(StoreError::NotCommitted)),
                    };
                    // A caller that has gone away needs no answer; what it asked for stays done.
                    let _ = answer.send(result);
                });
                Done { keep, deliver }
            })
        });
        self.jobs.send(Message::Job(job)).await.map_err(|_| StoreError::Stopping)?;
        // Work that was dropped unasked was in a group that could not begin, or was cut off with its connection.
        answered.await.map_err(|_| StoreError::NotCommitted)?
    }

    pub(super) async fn stop(&self) {
        let (stopped, ended) = oneshot::channel();
        if self.jobs.send(Message::Stop(stopped)).await.is_ok() {
            // An error means that the writer has ended already.
            let _ = ended.await;
        }
    }
}

/// What writes a group.
struct GroupWriter {
    pool: AnyPool,
    kind: Kind,
    counts: Arc<Counts>,
}

async fn write_in_groups(writer: GroupWriter, mut waiting: mpsc::Receiver<Message>) {
    let mut group = Vec::with_capacity(GROUP);
    while waiting.recv_many(&mut group, GROUP).await > 0 {
        let mut jobs = Vec::with_capacity(group.len());
        let mut stop = None;
        for message in group.drain(..) {
            match message {
                Message::Job(job) => jobs.push(job),
                Message::Stop(stopped) => stop = Some(stopped),
            }
        }
        if !jobs.is_empty() {
            writer.write_group(jobs).await;
        }
        if let Some(stopped) = stop {
            writer.pool.close().await;
            let _ = stopped.send(());
            return;
        }
    }
}

impl GroupWriter {
    /// Runs `jobs` in one transaction. If anything around them fails, nothing is kept and each caller is told so.
    async fn write_group(&self, jobs: Vec<Job>) {
        let mut done = Vec::with_capacity(jobs.len());
        let committed = match self.run_group(jobs, &mut done).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "can't commit to the database");
                false
            }
        };
        if committed {
            self.counts.commits.fetch_add(1, Ordering::Relaxed);
            self.counts.committed.fetch_add(done.len() as u64, Ordering::Relaxed);
        } else {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        for Done { deliver, .. } in done {
            deliver(if committed { Ok(()) } else { Err(CommitFailed) });
        }
    }

    async fn run_group(&self, jobs: Vec<Job>, done: &mut Vec<Done>) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await.map_err(doing("get the writing connection"))?;
        let begun = connection.begin_with(self.kind.begin()).await;
        let mut transaction = begun.map_err(doing("begin a transaction"))?;
        self.kind.lock(&mut transaction).await.map_err(doing("wait for the other processes"))?;
        // Each statement crosses to the database and back: once between two pieces of work. The commit releases the last one's.
        let mut between = "SAVEPOINT work";
        for job in jobs {
            transaction.execute(between).await.map_err(doing("begin a piece of work"))?;
            let finished = job(&mut transaction).await;
            if !finished.keep {
                transaction.execute("ROLLBACK TO work").await.map_err(doing("undo a piece of work"))?;
            }
            between = "RELEASE work; SAVEPOINT work";
            done.push(finished);
        }
        transaction.commit().await.map_err(doing("commit"))
    }
}

#[cfg(test)]
mod tests {
    use saml::time::UtcTime;

    use crate::store::domain::{self, Domain};
    use crate::store::tenant::{self, Tenant};
    use crate::store::{Database, Store, StoreError, testing};

    async fn store() -> (tempfile::TempDir, Database, Store) {
        let dir = tempfile::tempdir().unwrap();
        let database = testing::database(dir.path()).await;
        let store = Store::open(&database).await.unwrap();
        let tenant = Tenant {
            issuer: crate::store::issuer::Issuer::Own,
            id: "t".to_owned(),
            name: "acme".to_owned(),
            idp_enabled: true,
            auto_provisioning: true,
            minimum_evidence: crate::grade::Grade::Claimed,
            minimum_claim: saml::device::EvidenceGrade::Local,
            known_by_claim: false,
            proof_days: 90,
            proof_idps: Vec::new(),
            devices_per_user: 16,
            session_seconds: 3600,
            policy: crate::policy::Policy::default(),
            providers: crate::identity_provider::Providers::default(),
            provider_version: 0,
            created_at: UtcTime::from_unix_seconds(0),
        };
        store
            .write(move |connection| Box::pin(async move { tenant::insert(connection, &tenant).await }))
            .await
            .unwrap();
        (dir, database, store)
    }

    async fn add(store: &Store, name: String, fails: bool) -> Result<(), StoreError> {
        let row = Domain { name, tenant_id: "t".to_owned(), created_at: UtcTime::from_unix_seconds(0) };
        store
            .write(move |connection| {
                Box::pin(async move {
                    domain::insert(connection, &row).await?;
                    if fails { Err(StoreError::Unreadable { table: "test", column: "test" }) } else { Ok(()) }
                })
            })
            .await
    }

    #[tokio::test]
    async fn work_that_fails_leaves_nothing_and_takes_nobody_with_it() {
        let (_dir, _database, store) = store().await;
        let mut together = tokio::task::JoinSet::new();
        for n in 0..40 {
            let store = store.clone();
            together.spawn(async move { add(&store, format!("d{n}.test"), n % 4 == 0).await });
        }
        let results = together.join_all().await;
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 10);
        let kept = domain::list(&mut store.read().await.unwrap()).await.unwrap();
        assert_eq!(kept.len(), 30);
        assert!(kept.iter().all(|domain| domain.name != "d0.test"));
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_the_store_was_closed() {
        let (_dir, database, store) = store().await;
        add(&store, "example.test".to_owned(), false).await.unwrap();
        store.close().await;
        assert!(matches!(add(&store, "late.test".to_owned(), false).await, Err(StoreError::Stopping)));
        let again = Store::open(&database).await.unwrap();
        assert_eq!(domain::list(&mut again.read().await.unwrap()).await.unwrap().len(), 1);
    }

    /// Two stores are what two processes have.
    #[tokio::test]
    async fn two_writers_lose_and_repeat_nothing() {
        let (_dir, database, one) = store().await;
        let other = Store::open(&database).await.unwrap();
        let mut together = tokio::task::JoinSet::new();
        for n in 0..60 {
            let store = if n % 2 == 0 { one.clone() } else { other.clone() };
            together.spawn(async move {
                store
                    .write(move |connection| {
                        Box::pin(async move {
                            let entry = crate::store::audit::Entry {
                                at: UtcTime::from_unix_seconds(n),
                                tenant_id: None,
                                actor: "test".to_owned(),
                                action: "sign-on",
                                subject: n.to_string(),
                                result: "ok".to_owned(),
                                detail: serde_json::json!({}),
                            };
                            crate::store::audit::append(connection, entry).await
                        })
                    })
                    .await
            });
        }
        assert!(together.join_all().await.iter().all(Result::is_ok));
        let verdict = crate::store::audit::verify(&mut one.read().await.unwrap()).await.unwrap();
        assert_eq!(verdict, crate::store::audit::Verdict::Intact(60));
        one.close().await;
        other.close().await;
    }
}
