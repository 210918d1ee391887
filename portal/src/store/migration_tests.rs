//! A database of every earlier schema can be opened, and what was in it is still there.

use saml::time::UtcTime;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AssertSqlSafe, Executor as _};

use super::issuer::Issuer;
use super::{Database, Store, audit, device, person, service_provider, tenant, testing, token};

/// Rows as the first version wrote them.
const FIRST: [&str; 6] = [
    "INSERT INTO tenant VALUES ('t', 'acme', 1, 0, 'managed', 3, 600, 1000)",
    "INSERT INTO authentication_domain VALUES ('example.test', 't', 1000)",
    "INSERT INTO device_token (id, tenant_id, public_key, description, created_by, domains, platforms, use_limit, uses, created_at)
     VALUES ('0000000000000000', 't', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=', 'old', 'somebody', '[\"example.test\"]', '[]', 5, 1, 1000)",
    "INSERT INTO device VALUES ('urn:countersign:device:old', 't', '0000000000000000', 'AQID', 'registered', 7,
         '{\"urn:countersign:device:hostname\":[\"old-host\"]}', 1000, 2000)",
    "INSERT INTO service_provider VALUES ('https://service.test', 't', 'https://service.test/acs', '<x/>', 1000)",
    "INSERT INTO person VALUES ('p', 't', 'alice@example.test', 'active', 1000, NULL)",
];

async fn written_by_the_first_version(database: &Database) {
    sqlx::any::install_default_drivers();
    let pool = AnyPoolOptions::new().max_connections(1).connect_with(database.options().unwrap()).await.unwrap();
    sqlx::migrate!().run_to(1, &pool).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    for statement in FIRST {
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    let connection: &mut AnyConnection = &mut connection;
    let entry = audit::Entry {
        at: UtcTime::from_unix_seconds(1),
        tenant_id: None,
        actor: "somebody".to_owned(),
        action: "token.create",
        subject: "0000000000000000".to_owned(),
        result: "ok".to_owned(),
        detail: serde_json::json!({}),
    };
    audit::append(connection, entry).await.unwrap();
}

#[tokio::test]
async fn what_the_first_version_wrote_is_read_by_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let database = testing::database(dir.path()).await;
    written_by_the_first_version(&database).await;

    let store = Store::open(&database).await.unwrap();
    let mut connection = store.read().await.unwrap();
    let tenant = tenant::by_name(&mut connection, "acme").await.unwrap().unwrap();
    assert_eq!((tenant.devices_per_user, tenant.auto_provisioning), (3, false));
    assert_eq!(tenant.policy, crate::policy::Policy::default(), "what is new demands nothing");
    assert_eq!(tenant.providers, crate::identity_provider::Providers::default());
    assert_eq!(tenant.issuer, Issuer::Shared, "its services know no other");
    let service = service_provider::shared(&mut connection, "https://service.test").await.unwrap().unwrap();
    assert_eq!((service.tenant_id.as_str(), service.acs_url.as_str()), ("t", "https://service.test/acs"));
    let token = token::by_id(&mut connection, &"0000000000000000".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((token.use_limit, token.uses, token.is_bound), (Some(5), 1, false));
    let device = device::by_id(&mut connection, "urn:countersign:device:old").await.unwrap().unwrap();
    assert_eq!((device.state, device.sequence), (device::DeviceState::Registered, 7));
    assert_eq!((device.key_name.as_str(), device.key_since), (device.id.as_str(), device.enrolled_at));
    let known = super::device_key::by_key(&mut connection, "urn:countersign:device:old").await.unwrap().unwrap();
    assert_eq!(known.role, super::device_key::KeyRole::Present);
    assert!(person::by_name_id(&mut connection, "alice@example.test").await.unwrap().is_some());
    assert_eq!(audit::verify(&mut connection).await.unwrap(), audit::Verdict::Intact(1));
}
