//! The keys of tenants' own issuers while the portal serves: a tenant that was made just now is described at once.

use crate::admin::{self, Admin, AdminError};
use crate::clock;
use crate::sign_on::Portal;
use crate::signing::SigningError;
use crate::store::issuer::Issuer;
use crate::store::tenant;

impl Portal {
    /// Makes the key of the tenant with the id `tenant_id`, where it has none, and takes it up.
    ///
    /// # Errors
    /// [`AdminError::Signing`].
    pub(crate) async fn make_keys_of(&self, admin: &Admin, tenant_id: &str) -> Result<(), AdminError> {
        admin::key::create_missing_of_tenants(admin, &self.keys_dir, |tenant| tenant.id == tenant_id).await?;
        self.keys.follow(&self.store, &self.keys_dir, clock::now()).await?;
        Ok(())
    }

    /// The certificates of that tenant's own issuer, the one that signs first; none where there is no such tenant, or it has no key yet.
    ///
    /// # Errors
    /// [`SigningError`].
    pub(crate) async fn own_certificates(&self, tenant_id: &str) -> Result<Option<Vec<Vec<u8>>>, SigningError> {
        let listed = || self.keys.now().issuer_certificates(Issuer::Own, tenant_id);
        let mut certificates = listed();
        if certificates.is_empty() && tenant::by_id(&mut *self.store.read().await?, tenant_id).await?.is_some() {
            self.keys.follow(&self.store, &self.keys_dir, clock::now()).await?;
            certificates = listed();
        }
        Ok((!certificates.is_empty()).then_some(certificates))
    }
}
