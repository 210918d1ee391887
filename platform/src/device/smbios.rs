//! The firmware's table of the system (DMTF DSP0134, SMBIOS). Pure, so that it is tested everywhere.

/// What the table says about the system and its baseboard; empty texts where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct System {
    pub(super) manufacturer: String,
    pub(super) product: String,
    pub(super) serial: String,
    pub(super) uuid: String,
    pub(super) board_serial: String,
}

const SYSTEM: u8 = 1;
const BASEBOARD: u8 = 2;
const END_OF_TABLE: u8 = 127;

/// Reads the structures of a table, of SMBIOS 2.6 or later; what is cut off is left out.
pub(super) fn parse(mut table: &[u8]) -> System {
    let mut system = System::default();
    while let Some((structure, rest)) = Structure::first_of(table) {
        // DSP0134 sections 7.2 and 7.3: the offsets count the four octets of the header.
        match structure.kind {
            SYSTEM => {
                (system.manufacturer, system.product, system.serial) =
                    (structure.text(0x04), structure.text(0x05), structure.text(0x07));
                system.uuid = structure.fields.get(0x08..0x18).map(uuid).unwrap_or_default();
            }
            BASEBOARD if system.board_serial.is_empty() => system.board_serial = structure.text(0x07),
            END_OF_TABLE => break,
            _ => {}
        }
        table = rest;
    }
    system
}

/// One structure of the table.
struct Structure<'a> {
    kind: u8,
    /// With the header.
    fields: &'a [u8],
    texts: &'a [u8],
}

impl<'a> Structure<'a> {
    /// The first structure of a table, and what follows it.
    fn first_of(table: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (kind, length) = (*table.first()?, usize::from(*table.get(1)?));
        let (fields, after) = table.split_at_checked(length.max(4))?;
        let end = after.windows(2).position(|pair| pair == [0, 0])?;
        Some((Self { kind, fields, texts: &after[..end] }, &after[end + 2..]))
    }

    /// The text whose number stands at an offset. Texts follow the fields, each closed by a NUL, and count from one; zero is none.
    fn text(&self, offset: usize) -> String {
        let number = self.fields.get(offset).copied().unwrap_or_default();
        let found = usize::from(number).checked_sub(1).and_then(|at| self.texts.split(|octet| *octet == 0).nth(at));
        found.map(|text| String::from_utf8_lossy(text).trim().to_owned()).unwrap_or_default()
    }
}

/// The first three fields are little-endian (DSP0134 section 7.2.1).
fn uuid(octets: &[u8]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::with_capacity(36);
    for (at, index) in order.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&octets.get(index).map(|octet| format!("{octet:02x}")).unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<u8> {
        let mut table = vec![0, 5, 0, 0, 1];
        table.extend(b"firmware vendor\0\0");
        table.extend([1, 27, 1, 0, 1, 2, 0, 3]);
        table.extend(0..16);
        table.extend([6, 0, 0]);
        table.extend(b"LENOVO\x0021HM004GGE\0PF4ABCDE\0\0");
        table.extend([2, 8, 2, 0, 1, 0, 0, 2]);
        table.extend(b"LENOVO\0L1HF123\0\0");
        table.extend([126, 4, 3, 0, 0, 0]);
        table.extend([127, 4, 4, 0, 0, 0]);
        table.extend([1, 8, 5, 0, 1, 0, 0, 0]);
        table.extend(b"behind the end\0\0");
        table
    }

    #[test]
    fn system_and_baseboard_are_read() {
        let wanted = System {
            manufacturer: "LENOVO".to_owned(),
            product: "21HM004GGE".to_owned(),
            serial: "PF4ABCDE".to_owned(),
            uuid: "03020100-0504-0706-0809-0a0b0c0d0e0f".to_owned(),
            board_serial: "L1HF123".to_owned(),
        };
        assert_eq!(parse(&table()), wanted);
    }

    #[test]
    fn no_cut_and_no_rubbish_panics() {
        let table = table();
        for cut in 0..table.len() {
            parse(&table[..cut]);
        }
        for octet in 0..=255 {
            parse(&[octet; 64]);
            parse(&[octet, 4, 0, 0, 0, 0, octet, 255]);
        }
        assert_eq!(parse(&[]), System::default());
    }
}
