use super::{Managed, ManagedError, ManagedValue};
use std::io;
use windows_registry::{LOCAL_MACHINE, Type, Value};

/// Group Policy and MDM write here; ordinary users cannot.
pub(super) const PLACE: &str = r"HKLM\Software\Policies\Countersign";

const KEY: &str = r"Software\Policies\Countersign";

pub(super) fn read(_paths: &crate::paths::Paths) -> Result<Managed, ManagedError> {
    let failed = |source: io::Error| ManagedError::Store { place: PLACE.to_owned(), source };
    let key = match LOCAL_MACHINE.open(KEY).map_err(io::Error::from) {
        Ok(key) => key,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Managed::Nothing),
        Err(error) => return Err(failed(error)),
    };
    let values: Vec<_> =
        key.values().map_err(|error| failed(error.into()))?.map(|(name, value)| (name, managed(&value))).collect();
    Ok(if values.is_empty() { Managed::Nothing } else { Managed::Values(values) })
}

fn managed(value: &Value) -> ManagedValue {
    match value.ty() {
        Type::String | Type::ExpandString => {
            String::try_from(value.clone()).map_or(ManagedValue::Other, ManagedValue::Text)
        }
        Type::U32 => {
            u32::try_from(value.clone()).map_or(ManagedValue::Other, |number| ManagedValue::Number(number.into()))
        }
        Type::U64 => u64::try_from(value.clone()).map_or(ManagedValue::Other, ManagedValue::Number),
        Type::MultiString => Vec::<String>::try_from(value.clone()).map_or(ManagedValue::Other, ManagedValue::List),
        Type::Bytes | Type::Other(_) => ManagedValue::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_types() {
        let key = windows_registry::CURRENT_USER.create(r"Software\CountersignTest").unwrap();
        key.set_string("cloudName", "cloud.example.net").unwrap();
        key.set_u32("strictEnforcement", 1).unwrap();
        key.set_multi_string("disabledFacts", &["mac", "serial"]).unwrap();
        let values: Vec<_> = key.values().unwrap().map(|(name, value)| (name, managed(&value))).collect();
        let value = |wanted: &str| values.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        assert!(value("cloudName") == Some(ManagedValue::Text("cloud.example.net".to_owned())));
        assert!(value("strictEnforcement") == Some(ManagedValue::Number(1)));
        assert!(value("disabledFacts") == Some(ManagedValue::List(vec!["mac".to_owned(), "serial".to_owned()])));
        windows_registry::CURRENT_USER.remove_tree(r"Software\CountersignTest").unwrap();
    }
}
