//! `countersign-portal policy`: what a tenant demands of people and devices.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::{CommandError, Context};
use crate::admin;
use crate::policy::{AtLimit, FactDemand, FirstVisit, GroupRule, OtherPerson, Policy as Document, Rule};

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Show a tenant's policy as JSON.
    Show {
        /// Whose.
        #[arg(long)]
        tenant: String,
    },
    /// Put a policy of the same form in the place of the tenant's.
    Replace {
        /// Whose.
        #[arg(long)]
        tenant: String,
        /// A file with the JSON that `policy show` prints.
        #[arg(long)]
        file: PathBuf,
    },
    /// Change what happens at limits, and for which people.
    Set(Box<Set>),
    /// Demand something of sign-ons; every demand that fits one must be met. Prints the id of the rule.
    Require(Box<Require>),
    /// Take a demand away.
    Remove {
        /// Its id, as `policy show` prints it.
        id: String,
        /// Whose.
        #[arg(long)]
        tenant: String,
    },
    /// Put devices that state a fact into a group.
    Group {
        /// Whose.
        #[arg(long)]
        tenant: String,
        /// The group.
        group: String,
        /// The fact and what it must be, `hostname=lap-*`.
        #[arg(long, value_name = "NAME=VALUE", value_parser = demand)]
        fact: FactDemand,
    },
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("settings").required(true).multiple(true)
    .args(["at_limit", "other_person", "first_visit", "inactive_days", "provision_only", "provision_anybody",
        "provision_from_directory"]))]
pub(super) struct Set {
    /// Whose.
    #[arg(long)]
    tenant: String,
    /// What happens when a person has one device too many.
    #[arg(long, value_name = "HOW")]
    at_limit: Option<Limit>,
    /// What happens when somebody else signs on from a device that was used before.
    #[arg(long, value_name = "HOW")]
    other_person: Option<Other>,
    /// What a browser sees in which no device has signed anybody in before.
    #[arg(long, value_name = "HOW")]
    first_visit: Option<First>,
    /// Remove registered devices that were not heard for so many days; 0: never.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(0..=3650))]
    inactive_days: Option<u32>,
    /// A name that may be provisioned by signing on, `*` for any text; may be repeated.
    #[arg(long, value_name = "PATTERN")]
    provision_only: Vec<String>,
    /// Anybody of the tenant's domains may be provisioned.
    #[arg(long, conflicts_with = "provision_only")]
    provision_anybody: bool,
    /// Only a directory and administrators provision people; nobody is provisioned by signing on.
    #[arg(long, conflicts_with_all = ["provision_only", "provision_anybody"])]
    provision_from_directory: bool,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("demands").required(true).multiple(true)
    .args(["minimum_evidence", "minimum_claim", "key_protection", "facts"]))]
pub(super) struct Require {
    /// Whose.
    #[arg(long)]
    tenant: String,
    /// For people of this domain only.
    #[arg(long)]
    domain: Option<String>,
    /// For devices of this platform only.
    #[arg(long)]
    platform: Option<String>,
    /// For assertions to this service only, by its entity ID.
    #[arg(long)]
    service: Option<String>,
    /// The least grade, as far as the portal itself has checked who the person is: `claimed`, `assigned`, `proved` or `verified`.
    #[arg(long, value_name = "GRADE")]
    minimum_evidence: Option<String>,
    /// The least kind of the device's claim, which is its own word: `local`, `managed` or `directory`.
    #[arg(long, value_name = "KIND")]
    minimum_claim: Option<String>,
    /// What may protect the device's key, for example `tpm`; may be repeated.
    #[arg(long, value_name = "PROTECTION")]
    key_protection: Vec<String>,
    /// A fact that the device must state, `disk-encryption=on`; `*` for any text; may be repeated.
    #[arg(long = "fact", value_name = "NAME=VALUE", value_parser = demand)]
    facts: Vec<FactDemand>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Limit {
    /// The new device is refused.
    Refuse,
    /// The device that the person has not used for the longest time is removed.
    RemoveOldest,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Other {
    /// They sign on.
    Allow,
    /// The device waits for approval.
    Queue,
    /// They are refused.
    Refuse,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum First {
    /// A page asks whether to sign in with the device.
    Ask,
    /// It is sent to the device at once, and sees the page where nobody has answered there.
    Automatic,
}

fn demand(given: &str) -> Result<FactDemand, String> {
    let (name, value) = given.split_once('=').ok_or("write a fact as `name=value`")?;
    Ok(FactDemand { name: name.to_owned(), value: value.to_owned() })
}

impl Policy {
    pub(super) async fn run(self, context: &Context) -> Result<String, CommandError> {
        let admin = &context.admin;
        match self {
            Self::Show { tenant } => Ok(super::json(&admin::policy::show(admin, &tenant).await?)),
            Self::Replace { tenant, file } => {
                let text = crate::files::read(&file)?;
                let policy: Document = serde_json::from_slice(&text)
                    .map_err(|error| CommandError::Document { file: file.display().to_string(), source: error })?;
                Ok(super::json(&admin::policy::replace(admin, &tenant, policy).await?))
            }
            Self::Set(set) => {
                let tenant = set.tenant.clone();
                let policy = admin::policy::change(admin, &tenant, move |policy| Ok(set.apply(policy))).await?;
                Ok(super::json(&policy))
            }
            Self::Require(require) => {
                let rule = Rule {
                    id: String::new(),
                    domain: require.domain,
                    platform: require.platform,
                    service: require.service,
                    minimum_evidence: require.minimum_evidence,
                    minimum_claim: require.minimum_claim,
                    key_protection: require.key_protection,
                    facts: require.facts,
                };
                Ok(admin::policy::add_rule(admin, &require.tenant, rule).await? + "\n")
            }
            Self::Remove { id, tenant } => {
                admin::policy::remove_rule(admin, &tenant, &id).await?;
                Ok(format!("{id} demands nothing any more\n"))
            }
            Self::Group { tenant, group, fact } => {
                let rule = GroupRule { group: group.clone(), fact: fact.name, value: fact.value };
                admin::policy::add_group(admin, &tenant, rule).await?;
                Ok(format!("devices that state it are in {group}\n"))
            }
        }
    }
}

impl Set {
    fn apply(self, mut policy: Document) -> Document {
        policy.at_limit = self.at_limit.map_or(policy.at_limit, |how| match how {
            Limit::Refuse => AtLimit::Refuse,
            Limit::RemoveOldest => AtLimit::RemoveOldest,
        });
        policy.other_person = self.other_person.map_or(policy.other_person, |how| match how {
            Other::Allow => OtherPerson::Allow,
            Other::Queue => OtherPerson::Queue,
            Other::Refuse => OtherPerson::Refuse,
        });
        policy.first_visit = self.first_visit.map_or(policy.first_visit, |how| match how {
            First::Ask => FirstVisit::Ask,
            First::Automatic => FirstVisit::Automatic,
        });
        policy.inactive_days = self.inactive_days.unwrap_or(policy.inactive_days);
        if self.provision_anybody || !self.provision_only.is_empty() {
            policy.provision_only = self.provision_only;
            policy.provision_from_directory = false;
        }
        policy.provision_from_directory |= self.provision_from_directory;
        policy
    }
}
