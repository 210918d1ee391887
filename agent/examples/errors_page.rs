//! Prints `docs/errors.md`, made from the tables of codes.
#![expect(clippy::print_stdout, reason = "the page goes to standard output")]

fn main() {
    print!("{}", agent::failure::reference_page());
}
