//! `countersign-portal service`: the SAML service providers that may receive assertions.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::metadata::{CaFile, client};
use super::{CommandError, Context};
use crate::admin::metadata::Given;
use crate::admin::service::Which;
use crate::admin::{self, Right};
use crate::cloud::Cloud;
use crate::files;
use crate::service_settings::{AttributeRule, NameFormat, SOURCES, ServiceSettings};
use crate::store::service_provider::ServiceProvider;
use crate::table::table;

#[derive(Debug, Subcommand)]
pub(super) enum Service {
    /// Register a service by its metadata. Assertions go to the address that it names for POST, and nowhere else.
    Add(Add),
    /// Show the services.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show who may open a service, and what it is told.
    Show {
        /// Its entity ID.
        entity_id: String,
        /// The tenant, where several have a service of that entity ID.
        #[arg(long)]
        tenant: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change who may open a service, and what it is told.
    Set(Box<Set>),
    /// Put other metadata of the same service in the place of what there is; without an option, fetch it again from where it came.
    Update(Update),
    /// Show what a service would be told about somebody, and why; nothing is sent.
    Test {
        /// Its entity ID.
        entity_id: String,
        /// The tenant, where several have a service of that entity ID.
        #[arg(long)]
        tenant: Option<String>,
        /// `user@domain`.
        #[arg(long)]
        user: String,
        /// The entity ID of one of their devices; not given: the one that they have used last.
        #[arg(long)]
        device: Option<String>,
        /// How devices and services reach the portal, as for `serve`.
        #[arg(long, value_name = "URL")]
        public_url: String,
    },
    /// Give a service no more assertions.
    Remove {
        /// Its entity ID.
        entity_id: String,
        /// The tenant, where several have a service of that entity ID.
        #[arg(long)]
        tenant: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("described").required(true).args(["metadata", "metadata_url", "acs_url"]))]
pub(super) struct Add {
    /// Whose people may use it.
    #[arg(long)]
    tenant: String,
    /// The service's SAML metadata.
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,
    /// Where the service's SAML metadata is; `service update` fetches it again.
    #[arg(long, value_name = "URL")]
    metadata_url: Option<String>,
    /// The entity ID: of the one that is meant where the metadata describes several, or of a service without metadata.
    #[arg(long, value_name = "ID")]
    entity_id: Option<String>,
    /// Where a service without metadata takes Responses by POST.
    #[arg(long, value_name = "URL", requires = "entity_id")]
    acs_url: Option<String>,
    /// The certificate in PEM with which a service without metadata signs its requests; not given: it signs none.
    #[arg(long, value_name = "FILE", requires = "acs_url")]
    certificate: Option<PathBuf>,
    #[command(flatten)]
    ca: CaFile,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// Its entity ID.
    entity_id: String,
    /// The tenant, where several have a service of that entity ID.
    #[arg(long)]
    tenant: Option<String>,
    /// Its metadata.
    #[arg(long, value_name = "FILE", conflicts_with = "metadata_url")]
    metadata: Option<PathBuf>,
    /// Where its metadata is from now on.
    #[arg(long, value_name = "URL")]
    metadata_url: Option<String>,
    #[command(flatten)]
    ca: CaFile,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("settings").required(true).multiple(true)
    .args(["name_id_format", "mail", "attributes", "no_attributes", "only_people", "only_groups", "anybody",
        "authn_contexts", "no_authn_contexts", "sha1_signatures"]))]
pub(super) struct Set {
    /// Its entity ID.
    entity_id: String,
    /// The tenant, where several have a service of that entity ID.
    #[arg(long)]
    tenant: Option<String>,
    /// How people are named where the service's request demands nothing.
    #[arg(long, value_name = "FORMAT")]
    name_id_format: Option<Format>,
    /// Whether it gets the attribute `mail`.
    #[arg(long, value_name = "YES")]
    mail: Option<Switch>,
    #[arg(long = "attribute", value_name = "NAME=SOURCE", help = format!("An attribute that it gets, in the place of all that it got; may be repeated. The source is {SOURCES}"))]
    attributes: Vec<AttributeRule>,
    /// It gets no further attributes.
    #[arg(long, conflicts_with = "attributes")]
    no_attributes: bool,
    /// A name of somebody who may open it, with `*` for any text; may be repeated. In the place of all names and groups there were.
    #[arg(long = "only-person", value_name = "NAME")]
    only_people: Vec<String>,
    /// A group whose members may open it, with `*` for any text; may be repeated. In the place of all names and groups there were.
    #[arg(long = "only-group", value_name = "GROUP")]
    only_groups: Vec<String>,
    /// Everybody of the tenant may open it.
    #[arg(long, conflicts_with_all = ["only_people", "only_groups"])]
    anybody: bool,
    /// A class of authentication context, as a URI or the last word of one of SAML's own (`PasswordProtectedTransport`), that it may be told where it
    /// asks for it, whatever way people have signed in; may be repeated. In the place of all that there were.
    #[arg(long = "authn-context", value_name = "CLASS", value_parser = class)]
    authn_contexts: Vec<String>,
    /// It is told the portal's own classes of authentication context alone.
    #[arg(long, conflicts_with = "authn_contexts")]
    no_authn_contexts: bool,
    /// Whether its requests may be signed with RSA-SHA1, which is broken: only for a service that can't sign in another way.
    #[arg(long, value_name = "YES")]
    sha1_signatures: Option<Switch>,
}

/// A class of authentication context: a URI, or the last word of one of SAML's own (AuthnContext §3.4).
#[expect(clippy::unnecessary_wraps, reason = "clap wants a Result")]
fn class(text: &str) -> Result<String, std::convert::Infallible> {
    let text = text.trim();
    Ok(if text.contains(':') { text.to_owned() } else { format!("urn:oasis:names:tc:SAML:2.0:ac:classes:{text}") })
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// `user@domain`.
    Email,
    /// A name that stays and that no other service gets.
    Persistent,
    /// Another name each time.
    Transient,
}

impl From<Format> for NameFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Email => Self::Email,
            Format::Persistent => Self::Persistent,
            Format::Transient => Self::Transient,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    Yes,
    No,
}

impl Set {
    fn edit(self, mut settings: ServiceSettings) -> ServiceSettings {
        if let Some(format) = self.name_id_format {
            settings.name_id_format = format.into();
        }
        if let Some(mail) = self.mail {
            settings.mail = matches!(mail, Switch::Yes);
        }
        if self.no_attributes || !self.attributes.is_empty() {
            settings.attributes = self.attributes;
        }
        if self.anybody || !self.only_people.is_empty() || !self.only_groups.is_empty() {
            (settings.only_people, settings.only_groups) = (self.only_people, self.only_groups);
        }
        if self.no_authn_contexts || !self.authn_contexts.is_empty() {
            settings.authn_contexts = self.authn_contexts;
        }
        if let Some(sha1) = self.sha1_signatures {
            settings.sha1_signatures = matches!(sha1, Switch::Yes);
        }
        settings
    }
}

impl Service {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        match self {
            Self::Add(add) => {
                let tenant = add.tenant.clone();
                let added = admin::service::add(&context.admin, &tenant, add.given(context).await?).await?;
                let registered = format!("registered {}; its Responses go to {}\n", added.entity_id, added.acs_url);
                Ok(noted(&added) + &registered)
            }
            Self::List { json } => list(context, json).await,
            Self::Show { entity_id, tenant, json } => {
                let service = admin::service::one(&context.admin, which(&entity_id, tenant.as_deref())).await?;
                Ok(if json { super::json(&service) } else { shown(&service) })
            }
            Self::Set(set) => {
                let (entity_id, tenant) = (set.entity_id.clone(), set.tenant.clone());
                let which = which(&entity_id, tenant.as_deref());
                let service = admin::service::set(&context.admin, which, |settings| set.edit(settings)).await?;
                Ok(shown(&service))
            }
            Self::Update(update) => {
                let service = update.run(context).await?;
                Ok(noted(&service) + &format!("{}: Responses go to {}\n", service.entity_id, service.acs_url))
            }
            Self::Test { entity_id, tenant, user, device, public_url } => {
                let (cloud, asked) = (Cloud::new(&public_url)?, (user.as_str(), device.as_deref()));
                let which = which(&entity_id, tenant.as_deref());
                let rehearsal = admin::service::test(&context.admin, &cloud, which, asked).await?;
                Ok(rehearsal.lines().into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect())
            }
            Self::Remove { entity_id, tenant } => {
                admin::service::remove(&context.admin, which(&entity_id, tenant.as_deref())).await?;
                Ok(format!("{entity_id} receives no more assertions\n"))
            }
        }
    }
}

fn which<'a>(entity_id: &'a str, tenant: Option<&'a str>) -> Which<'a> {
    Which { entity_id, tenant }
}

impl Add {
    async fn given(self, context: &Context) -> Result<Given, CommandError> {
        if let (Some(entity_id), Some(acs_url)) = (&self.entity_id, &self.acs_url) {
            let certificate = self.certificate.as_deref().map(files::read).transpose()?.unwrap_or_default();
            return Ok(Given::form(entity_id, acs_url, &String::from_utf8_lossy(&certificate))?);
        }
        if let Some(file) = &self.metadata {
            return Ok(Given::document(&files::read(file)?).about(self.entity_id));
        }
        let url = self.metadata_url.unwrap_or_default();
        let given = Given::fetch(&context.admin, Right::Services, (&client(&self.ca)?, &url)).await?;
        Ok(given.about(self.entity_id))
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<ServiceProvider, CommandError> {
        let (admin, id) = (&context.admin, which(&self.entity_id, self.tenant.as_deref()));
        if let Some(file) = &self.metadata {
            return Ok(admin::service::set_metadata(admin, id, Given::document(&files::read(file)?)).await?);
        }
        let client = client(&self.ca)?;
        let Some(url) = &self.metadata_url else { return Ok(admin::service::refresh(admin, &client, id).await?) };
        let given = Given::fetch(admin, Right::Services, (&client, url)).await?;
        Ok(admin::service::set_metadata(admin, id, given).await?)
    }
}

async fn list(context: &Context, json: bool) -> Result<String, CommandError> {
    let services = admin::service::list(&context.admin).await?;
    if json {
        return Ok(super::json(&services));
    }
    let sha1 = |service: &ServiceProvider| if service.settings.sha1_signatures { " (SHA-1 accepted)" } else { "" };
    let row = |service: &ServiceProvider| {
        let who = format!("{}{}", whom(&service.settings), sha1(service));
        [service.entity_id.to_string(), service.acs_url.clone(), who]
    };
    Ok(table(["SERVICE", "RESPONSES GO TO", "WHO MAY OPEN IT"], &services.iter().map(row).collect::<Vec<_>>()))
}

fn whom(settings: &ServiceSettings) -> String {
    let people = settings.only_people.iter().cloned();
    let groups = settings.only_groups.iter().map(|group| format!("group {group}"));
    let all: Vec<_> = people.chain(groups).collect();
    if all.is_empty() { "everybody of the tenant".to_owned() } else { all.join(", ") }
}

/// What of the metadata is passed over, a line for each.
fn noted(service: &ServiceProvider) -> String {
    admin::service::notes(service).into_iter().map(|note| format!("note: {note}\n")).collect()
}

fn classes(settings: &ServiceSettings) -> String {
    let own = ["the portal's own".to_owned()].into_iter();
    own.chain(settings.authn_contexts.iter().cloned()).collect::<Vec<_>>().join(", ")
}

fn shown(service: &ServiceProvider) -> String {
    let settings = &service.settings;
    let from = service.metadata_url.as_deref().unwrap_or("was given");
    let mut lines = vec![
        ("Service".to_owned(), service.entity_id.to_string()),
        ("Responses go to".to_owned(), service.acs_url.clone()),
        ("Metadata".to_owned(), from.to_owned()),
        ("Who may open it".to_owned(), whom(settings)),
        ("Name ID format".to_owned(), settings.name_id_format.to_string()),
        ("Classes that it may be told".to_owned(), classes(settings)),
        ("SHA-1 signatures".to_owned(), if settings.sha1_signatures { "accepted" } else { "refused" }.to_owned()),
        ("Attribute mail".to_owned(), if settings.mail { "yes" } else { "no" }.to_owned()),
    ];
    lines.extend(admin::service::notes(service).into_iter().map(|note| ("Note on the metadata".to_owned(), note)));
    lines.extend(settings.attributes.iter().map(|rule| (format!("Attribute {}", rule.name), rule.value.to_string())));
    lines.into_iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}
