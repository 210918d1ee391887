//! Which issuer vouches for a tenant's people towards a service.

use std::fmt;
use std::str::FromStr;

/// One of a tenant's two issuers. Rows keep it beside the tenant, so that what one issuer has begun no other ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Issuer {
    /// The cloud's, which tenants share that are older than their own.
    Shared,
    /// The tenant's own.
    Own,
}

impl fmt::Display for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Shared => "shared",
            Self::Own => "own",
        })
    }
}

impl FromStr for Issuer {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "shared" => Ok(Self::Shared),
            "own" => Ok(Self::Own),
            _ => Err(()),
        }
    }
}
