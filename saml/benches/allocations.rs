//! Allocations for each message, counted by the allocator. They have a program of their own, since counting takes time.
//!
//! `cargo bench -p saml --bench allocations [-- --json]`
#![expect(clippy::expect_used, reason = "a benchmark that cannot run stops")]

#[path = "measured/documents.rs"]
mod documents;
#[path = "measured/inputs.rs"]
#[expect(dead_code, reason = "the keys are for the raw rates")]
mod inputs;
#[path = "../tests/properties/mod.rs"]
#[expect(dead_code, reason = "only the keys and expectations are used here")]
mod properties;

use inputs::Inputs;

#[expect(clippy::print_stdout, reason = "a benchmark's results")]
fn main() {
    let inputs = Inputs::new();
    let count = |run: &dyn Fn()| allocation_counter::measure(run).count_total;
    let counts = [
        ("verify a P-256 request", count(&|| inputs.verify_request())),
        ("verify an RSA-2048 response (one signature)", count(&|| inputs.verify_response(&inputs.single_xml))),
        ("parse alone", count(&|| inputs.parse())),
        ("issue an RSA-2048 response (two signatures)", count(&|| inputs.issue())),
    ];
    if std::env::args().any(|argument| argument == "--json") {
        let counts: Vec<String> = counts.iter().map(|(name, count)| format!("\"{name}\":{count}")).collect();
        println!("{{\"allocations\":{{{}}}}}", counts.join(","));
        return;
    }
    println!("{:<50} {:>12}", "allocations", "");
    for (name, count) in counts {
        println!("{name:<50} {count:>12}");
    }
}
