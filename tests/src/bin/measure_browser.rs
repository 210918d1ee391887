//! `tests/measure browser`: how long a person waits from the click to a service's page, beside the same page where the service knows them already.
//! Everything is on one machine, so that the network has no share in it; the round trips over a network are counted instead.
#![expect(clippy::print_stdout, reason = "a measuring program: it prints")]

use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;
use tests::browser::Browser;
use tests::house::House;
use tests::mellon::Service;

/// Measures sign-on in a browser. The machine should have nothing else to do.
#[derive(Debug, Parser)]
struct Arguments {
    /// As one JSON object.
    #[arg(long)]
    json: bool,
    /// How many visits of each kind.
    #[arg(long, default_value_t = 50)]
    visits: usize,
}

const INSIDE: &str = "the protected page";
const ASKED: &str = "Sign in with this device";
/// What a sign-on asks over the network one after another: the service, the portal twice, the agent the portal, the service twice.
const OVER_THE_NETWORK: u32 = 6;

/// Opens the page; returns how long it took until it was there.
fn visit(browser: &mut Browser, page: &str) -> Duration {
    // The page that is there already would be taken for the one that comes.
    browser.open("about:blank");
    let begun = Instant::now();
    browser.open_until(page, INSIDE);
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

fn main() {
    let arguments = Arguments::parse();
    let house = House::new();
    let service = Service::of(&house.portal, &house.dir("apache"));
    let page = service.private();
    let mut browser = Browser::start();
    browser.open_until(&page, ASKED);
    browser.click(ASKED);
    browser.wait_for_text(INSIDE);
    let (mut known, mut signed_on) = (Vec::new(), Vec::new());
    for _ in 0..arguments.visits {
        known.push(visit(&mut browser, &page));
        browser.call("Network.deleteCookies", &json!({ "name": "mellon-cookie", "url": page }));
        signed_on.push(visit(&mut browser, &page));
    }
    let (known, signed_on) = (median(known), median(signed_on));
    if arguments.json {
        let said = json!({
            "visits": arguments.visits, "known_ms": known, "signed_on_ms": signed_on, "sign_on_ms": signed_on - known,
            "requests_over_the_network": OVER_THE_NETWORK,
        });
        println!("{said}");
        return;
    }
    println!("median of {} visits each", arguments.visits);
    println!("click to page, the service knows the person   {known:.1} ms");
    println!("click to page, with a silent sign-on          {signed_on:.1} ms");
    println!(
        "the sign-on's share                           {:.1} ms, and {OVER_THE_NETWORK} requests over the network",
        signed_on - known
    );
}
