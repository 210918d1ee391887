//! The package for macOS: its structure, read by programs and libraries that are not ours, with a stand-in for the program; and what
//! `packaging/build` made with the real one. Nothing of it can be executed here.
#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "test code: a surprise must end it loudly")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use apple_bom::{BomPath, ParsedBom};
use tempfile::TempDir;
use tests::binaries::workspace_dir;
use tests::components::trial;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const PROGRAM: &str = "./usr/local/bin/countersign";
const DAEMON: &str = "./Library/LaunchDaemons/org.countersign.agent.plist";
const UNINSTALL: &str = "./Library/Application Support/Countersign/uninstall";

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let readers = ["bsdtar", "cpio", "python3", "gzip"];
    let built = workspace_dir().join(format!("dist/countersign-{VERSION}-macos.pkg")).display().to_string();
    let tests = vec![
        trial(
            "the_program_is_linked_for_both_processors",
            &["bsdtar", "cpio", "file", "gzip", "python3", &built],
            program_linked,
        ),
        trial("two_other_readers_see_the_same_archive", &["7z", "bsdtar", "python3"], archive),
        trial("payload_and_bill_of_materials_agree", &readers, payload),
        trial("a_universal_program_names_both_processors", &["python3"], universal),
        trial("the_service_is_described_and_the_scripts_are_sound", &readers, service),
        trial("the_scripts_wait_for_launchd_and_try_again", &["sh"], scripts_wait),
        trial("the_package_is_the_same_byte_for_byte_when_built_again", &["python3"], reproducible),
        trial("a_signed_package_is_of_its_identity_and_a_change_shows", &["7z", "openssl", "python3"], signed),
        trial("an_identity_that_does_not_fit_is_refused", &["openssl", "python3"], identity_refused),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

/// The command that makes a package in `dir` with a stand-in for the program.
fn packager(dir: &Path) -> Command {
    let program = dir.join("program");
    fs::write(&program, b"a stand-in for the program\n".repeat(5000)).expect("it can be written");
    let mut command = Command::new(workspace_dir().join("packaging/macos/package"));
    command.arg(&program).arg(dir.join("dist")).env("SOURCE_DATE_EPOCH", "1700000000").current_dir(dir);
    for name in ["COUNTERSIGN_INSTALLER_CERTIFICATE", "COUNTERSIGN_INSTALLER_KEY"] {
        command.env_remove(name);
    }
    command
}

fn package(dir: &Path) -> PathBuf {
    ok(&mut packager(dir));
    package_in(dir)
}

fn package_in(dir: &Path) -> PathBuf {
    dir.join(format!("dist/countersign-{VERSION}-macos.pkg"))
}

fn taken_apart() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let package = package(dir.path());
    take_apart(&package, dir)
}

/// The package taken apart by bsdtar and cpio: `Distribution`, `countersign.pkg/…`, `payload/…`, `scripts/…`.
fn take_apart(package: &Path, dir: TempDir) -> TempDir {
    ok(Command::new("bsdtar").arg("-xf").arg(package).arg("-C").arg(dir.path()));
    for (archive, target) in [("Payload", "payload"), ("Scripts", "scripts")] {
        fs::create_dir(dir.path().join(target)).expect("a directory can be made");
        let line = format!("gzip -dc ../countersign.pkg/{archive} | cpio -idm --quiet");
        ok(Command::new("sh").args(["-c", &line]).current_dir(dir.path().join(target)));
    }
    dir
}

fn ok(command: &mut Command) -> String {
    let output = command.output().expect("the program can be started");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn archive() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let package = package(dir.path());
    // 7z checks the archive's own checksums.
    let tested = ok(Command::new("7z").arg("t").arg(&package));
    assert!(tested.contains("Everything is Ok"), "{tested}");
    let listed = ok(Command::new("bsdtar").arg("-tf").arg(&package));
    let mut names: Vec<_> = listed.lines().map(|line| line.trim_end_matches('/')).collect();
    names.sort_unstable();
    let inside = ["Bom", "PackageInfo", "Payload", "Scripts"].map(|name| format!("countersign.pkg/{name}"));
    let wanted: Vec<_> =
        ["Distribution", "countersign.pkg"].into_iter().chain(inside.iter().map(String::as_str)).collect();
    assert_eq!(names, wanted);
}

fn payload() {
    let dir = taken_apart();
    let bom = fs::read(dir.path().join("countersign.pkg/Bom")).expect("the bill is there");
    let bom = ParsedBom::parse(&bom).expect("the bill can be read");
    let paths = bom.paths().expect("it has paths");
    let path = |name: &str| paths.iter().find(|path| path.path() == name).expect("it is in the bill");
    for name in [PROGRAM, DAEMON, UNINSTALL] {
        let content = fs::read(dir.path().join("payload").join(name)).expect("it is in the payload");
        assert_eq!(path(name).size(), content.len(), "{name}");
        assert_eq!(path(name).crc32(), Some(posix_checksum(&dir.path().join("payload").join(name))), "{name}");
    }
    let owners = |path: &BomPath| (path.user_id(), path.group_id());
    assert!(paths.iter().all(|path| owners(path) == (0, 0)), "everything belongs to root:wheel");
    assert_eq!(path(PROGRAM).file_mode(), 0o100_755);
    assert_eq!(path(DAEMON).file_mode(), 0o100_644);
    let info = fs::read_to_string(dir.path().join("countersign.pkg/PackageInfo")).expect("it is there");
    // Folders that others made keep the permissions that they have.
    assert!(info.contains("overwrite-permissions=\"false\""), "{info}");
    assert!(info.contains(&format!("numberOfFiles=\"{}\"", paths.len())), "{info}");
    assert!(info.contains("identifier=\"org.countersign.agent\"") && info.contains(&format!("version=\"{VERSION}\"")));
}

/// What `packaging/build` made: both processors, every symbol found in the library that has it, no path of the machine that built.
fn program_linked() {
    let built = workspace_dir().join(format!("dist/countersign-{VERSION}-macos.pkg"));
    let dir = take_apart(&built, tempfile::tempdir().expect("a directory can be made"));
    let program = dir.path().join("payload").join(PROGRAM);
    let said = ok(Command::new("file").arg("--brief").arg(&program));
    assert!(said.contains("universal binary with 2 architectures"), "{said}");
    for processor in ["arm64", "x86_64"] {
        assert!(
            said.contains(&format!("Mach-O 64-bit {processor} executable, flags:<NOUNDEFS|DYLDLINK|TWOLEVEL")),
            "{said}"
        );
    }
    let content = fs::read(&program).expect("it is there");
    let has = |text: &str| memchr::memmem::find(&content, text.as_bytes()).is_some();
    for library in ["CoreFoundation", "OpenDirectory", "Security", "SystemConfiguration"] {
        assert!(has(&format!("/System/Library/Frameworks/{library}.framework/Versions/A/{library}\0")), "{library}");
    }
    assert!(has("/usr/lib/libSystem.B.dylib\0"));
    assert!(!has(&workspace_dir().display().to_string()), "no path of the machine that built it");
}

/// What cksum(1) says.
fn posix_checksum(file: &Path) -> u32 {
    let said = ok(Command::new("cksum").arg(file));
    said.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

fn universal() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    // The heads of 64-bit Mach-O programs (mach-o/loader.h) for CPU_TYPE_ARM64 and CPU_TYPE_X86_64, and something behind them.
    let processors = [0x0100_000c_u32, 0x0100_0007];
    let programs = processors.map(|processor| {
        let head = [0xfeed_facf_u32, processor, 0].map(u32::to_le_bytes).concat();
        [head, vec![processor as u8; 20_000]].concat()
    });
    for (name, program) in ["arm64", "x86_64"].iter().zip(&programs) {
        fs::write(dir.path().join(name), program).expect("it can be written");
    }
    let script = workspace_dir().join("packaging/macos/universal.py");
    ok(Command::new("python3").arg(script).args(["arm64", "x86_64", "both"]).current_dir(dir.path()));
    let both = fs::read(dir.path().join("both")).expect("it was made");
    let number = |at: usize| u32::from_be_bytes(both[at..at + 4].try_into().expect("four octets"));
    assert_eq!((number(0), number(4)), (0xcafe_babe, 2), "a universal file of two");
    for (at, (processor, program)) in [8, 28].into_iter().zip(processors.iter().zip(&programs)) {
        let (offset, size) = (number(at + 8) as usize, number(at + 12) as usize);
        assert_eq!(number(at), *processor);
        assert!(offset.is_multiple_of(1 << number(at + 16)), "it begins where a page does");
        assert!(both[offset..offset + size] == program[..], "the program is whole");
    }
}

fn service() {
    let dir = taken_apart();
    let daemon = plist::Value::from_file(dir.path().join("payload").join(DAEMON)).expect("a property list");
    let daemon = daemon.as_dictionary().expect("a dictionary");
    assert_eq!(daemon["Label"].as_string(), Some("org.countersign.agent"));
    let arguments: Vec<_> =
        daemon["ProgramArguments"].as_array().expect("a list").iter().filter_map(plist::Value::as_string).collect();
    assert_eq!(arguments, ["/usr/local/bin/countersign", "run"], "no option, and so no token, is an argument");
    assert_eq!(daemon["KeepAlive"].as_boolean(), Some(true));
    assert_eq!(daemon["Umask"].as_signed_integer(), Some(0o077));
    for script in ["scripts/preinstall", "scripts/postinstall", &format!("payload/{UNINSTALL}")] {
        let script = dir.path().join(script);
        ok(Command::new("sh").arg("-n").arg(&script));
        let text = fs::read_to_string(&script).expect("a script is text");
        assert!(text.contains("org.countersign.agent"), "{text}");
        assert!(ok(Command::new("test").arg("-x").arg(&script)).is_empty(), "it can be executed");
    }
}

/// Runs one of the package's scripts with stand-ins for `launchctl` and `sleep`: what is asked of launchd, and whether the script succeeded.
/// `launchctl` answers by the shell text `answers`, which sees how often it was asked before in `$asked`.
fn with_launchd(script: &str, answers: &str) -> (Vec<String>, bool) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = |name: &str| dir.path().join(name);
    let log = path("log");
    let stand_in = format!(
        "#!/bin/sh\nasked=$(grep -c \"^$1\" '{0}' 2>/dev/null)\necho \"$*\" >> '{0}'\n{answers}\n",
        log.display()
    );
    for (name, content) in [("launchctl", stand_in.as_str()), ("sleep", "#!/bin/sh\n")] {
        fs::write(path(name), content).expect("the file can be written");
        ok(Command::new("chmod").arg("755").arg(path(name)));
    }
    let source = workspace_dir().join("packaging/macos/scripts").join(script);
    let text = fs::read_to_string(source).expect("it is there");
    assert!(text.contains("/bin/launchctl"), "it names Apple's program");
    let text = text.replace("/bin/launchctl", path("launchctl").to_str().expect("text"));
    let output = Command::new("sh")
        .args(["-c", &text, script, "countersign.pkg", "/", "/"])
        .env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()))
        .output()
        .expect("sh can be started");
    let asked = fs::read_to_string(log).unwrap_or_default();
    let verbs = asked.lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned());
    (verbs.collect(), output.status.success())
}

fn scripts_wait() {
    // launchd refuses twice, as it does while the older service is on its way out.
    let refuses = "case $1 in bootstrap) [ $asked -ge 2 ] ;; print) false ;; esac";
    let wanted =
        ["enable", "bootstrap", "print", "bootstrap", "print", "bootstrap", "kickstart"].map(str::to_owned).to_vec();
    assert_eq!(with_launchd("postinstall", refuses), (wanted, true));
    // One that it has already is started anew.
    let has = "case $1 in bootstrap) false ;; esac";
    let wanted = ["enable", "bootstrap", "print", "kickstart"].map(str::to_owned).to_vec();
    assert_eq!(with_launchd("postinstall", has), (wanted, true));
    // One that it never takes is told as a failure.
    let (asked, succeeded) = with_launchd("postinstall", "case $1 in bootstrap|print) false ;; esac");
    assert!(!succeeded && asked.iter().filter(|verb| *verb == "bootstrap").count() == 10, "{asked:?}");
    // The older one is waited for until it has gone.
    let goes = "case $1 in print) [ $asked -lt 3 ] ;; esac";
    let wanted = ["bootout", "print", "print", "print", "print"].map(str::to_owned).to_vec();
    assert_eq!(with_launchd("preinstall", goes), (wanted, true));
}

fn reproducible() {
    let build = || {
        let dir = tempfile::tempdir().expect("a directory can be made");
        fs::read(package(dir.path())).expect("it was made")
    };
    assert!(build() == build(), "two builds differ");
}

/// Makes `NAME.key` and `NAME.crt` in `dir`, for signing installers (Apple's extension 1.2.840.113635.100.4.13).
fn identity(dir: &Path, name: &str) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"]).arg(format!("/CN={name}"));
    command.args(["-addext", "extendedKeyUsage=1.2.840.113635.100.4.13", "-keyout"]).arg(format!("{name}.key"));
    ok(command.arg("-out").arg(format!("{name}.crt")).current_dir(dir));
}

fn sign_with(command: &mut Command, certificate: &str, key: &str) {
    command.env("COUNTERSIGN_INSTALLER_CERTIFICATE", certificate).env("COUNTERSIGN_INSTALLER_KEY", key);
}

/// Takes the parts of a signed archive out by what its own table of contents says of them.
const PARTS_OF_ARCHIVE: &str = r"
import base64, struct, sys, zlib, xml.etree.ElementTree as tree
octets = open(sys.argv[1], 'rb').read()
head, packed = struct.unpack('>4xHHQQI', octets[:28])[0], struct.unpack('>8xQ', octets[:16])[0]
toc, heap = octets[head:head + packed], octets[head + packed:]
table = tree.fromstring(zlib.decompress(toc)).find('toc')
for name in ['checksum', 'signature', 'x-signature']:
    element = table.find(name)
    start, size = int(element.find('offset').text), int(element.find('size').text)
    open(name, 'wb').write(heap[start:start + size])
certificates = [found.text for found in table.find('signature').iter('{http://www.w3.org/2000/09/xmldsig#}X509Certificate')]
open('first.der', 'wb').write(base64.b64decode(certificates[0]))
open('toc', 'wb').write(toc)
";

fn signed() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let at = |name: &str| dir.path().join(name);
    let run = |program: &str, line: &str| ok(Command::new(program).args(line.split(' ')).current_dir(dir.path()));
    identity(dir.path(), "Vendor");
    let mut command = packager(dir.path());
    sign_with(&mut command, "Vendor.crt", "Vendor.key");
    ok(&mut command);
    let package = package_in(dir.path());
    assert!(ok(Command::new("7z").arg("t").arg(&package)).contains("Everything is Ok"));

    ok(Command::new("python3").args(["-c", PARTS_OF_ARCHIVE]).arg(&package).current_dir(dir.path()));
    run("openssl", "x509 -in Vendor.crt -outform DER -out given.der");
    assert!(fs::read(at("first.der")).expect("it is there") == fs::read(at("given.der")).expect("it is there"));
    fs::write(at("vendor.pub"), run("openssl", "x509 -in Vendor.crt -noout -pubkey")).expect("it can be written");
    let digest = run("openssl", "dgst -sha1 -r toc");
    let recorded: String =
        fs::read(at("checksum")).expect("it is there").iter().map(|octet| format!("{octet:02x}")).collect();
    assert!(digest.starts_with(&recorded), "the checksum is that of the table of contents");
    let of_table = "dgst -sha1 -verify vendor.pub -signature signature toc";
    assert!(run("openssl", of_table).contains("Verified OK"));
    run(
        "openssl",
        "cms -verify -binary -inform DER -in x-signature -content checksum -CAfile Vendor.crt -purpose any -out said",
    );

    let mut toc = fs::read(at("toc")).expect("it is there");
    toc[40] ^= 1;
    fs::write(at("toc"), toc).expect("it can be written");
    let changed = Command::new("openssl").args(of_table.split(' ')).current_dir(dir.path()).output().expect("it runs");
    assert!(!changed.status.success(), "a changed table of contents is not what was signed");
}

fn identity_refused() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    identity(dir.path(), "one");
    identity(dir.path(), "two");
    for (certificate, key, complaint) in [
        ("one.crt", "two.key", "is not of the key in"),
        ("one.key", "one.key", "has no certificate in PEM"),
        ("one.crt", "none.key", "none.key"),
    ] {
        let mut command = packager(dir.path());
        sign_with(&mut command, certificate, key);
        let output = command.output().expect("it can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(complaint), "{certificate}, {key}: {said}");
        assert!(!package_in(dir.path()).exists(), "nothing is left of a package that could not be signed");
    }
    let mut command = packager(dir.path());
    command.env("COUNTERSIGN_INSTALLER_CERTIFICATE", "one.crt");
    let output = command.output().expect("it can be started");
    assert!(String::from_utf8_lossy(&output.stderr).contains("belong together"));
}
