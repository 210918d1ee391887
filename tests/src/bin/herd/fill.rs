//! Devices that are in the database already.

use portal::store::device::{self, Device, DeviceState};
use portal::store::person::{self, Origin, Person};
use portal::store::{Database, Store, tenant, token};
use saml::time::UtcTime;
use saml::token::{DeviceToken, TokenId};
use tests::portal::Portal;

/// As many are written at a time.
const AT_A_TIME: usize = 1000;

/// Puts `number` devices, each with its person, into the database, as if they had enrolled.
pub(crate) async fn fill(portal: &Portal, number: usize) {
    let place = match &portal.database_file {
        Some(file) => {
            Database::Server(std::fs::read_to_string(file).expect("it is there").parse().expect("it is a URL"))
        }
        None => Database::File(portal.data_dir.join("portal.db")),
    };
    let token_id = DeviceToken::parse(&portal.token(&[])).expect("it is a token").id().clone();
    let store = Store::open(place).await.expect("the database can be opened");
    for first in (0..number).step_by(AT_A_TIME) {
        let token_id = token_id.clone();
        let written = store.write(move |connection| {
            Box::pin(async move {
                let tenant = tenant::by_name(connection, "acme").await?.expect("it was made");
                let token = token::by_id(connection, &token_id).await?.expect("it was made");
                for one in first..(first + AT_A_TIME).min(number) {
                    let known = known_device(one, &tenant.id, &token.id);
                    device::register(connection, &known).await?;
                    person::insert(connection, &known_person(one, &tenant.id, known.enrolled_at)).await?;
                }
                Ok(())
            })
        });
        written.await.expect("they can be written");
        if number > 100_000 && (first + AT_A_TIME).is_multiple_of(100_000) {
            eprintln!("{} devices are in the database", first + AT_A_TIME);
        }
    }
    store.close().await;
}

fn known_person(one: usize, tenant_id: &str, created_at: UtcTime) -> Person {
    let name = format!("known{one}@example.test");
    Person::new(format!("{one:032x}"), tenant_id.to_owned(), name, Origin::SignOn, created_at)
}

fn known_device(one: usize, tenant_id: &str, token_id: &TokenId) -> Device {
    let key = format!("known device {one}").into_bytes();
    let heard = UtcTime::from_unix_millis(platform::clock::unix_millis()).plus_seconds(-(one as i64));
    Device {
        id: saml::device::entity_id_of_key(&key),
        tenant_id: tenant_id.to_owned(),
        token_id: token_id.clone(),
        key_name: saml::device::entity_id_of_key(&key),
        key_since: heard,
        next_key: None,
        public_key: key,
        state: DeviceState::Registered,
        wipe: false,
        state_note: String::new(),
        sequence: 1,
        facts: [("urn:countersign:device:hostname".to_owned(), vec![format!("known-{one}")])].into(),
        fingerprint: format!("hw1:s:{one}"),
        groups: Vec::new(),
        people: token::People::Any,
        owner_id: None,
        enrolled_at: heard,
        last_seen_at: heard,
    }
}
