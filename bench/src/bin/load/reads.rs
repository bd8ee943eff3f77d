//! `GET /api/{resource}/{id}` through a fresh sandbox, a reused instance and the host itself.

use portcullis_bench::contest::{self, Contestant, Rules, Score};
use portcullis_bench::wire::{Connection, Request};

use crate::Failure;
use crate::servers::{self, Baseline, WAYS};

pub(crate) async fn measure(rules: Rules) -> Result<(), Failure> {
    let host = servers::portcullis()?;
    let address = servers::address(&host)?;
    let mut contestants = Vec::new();
    let mut all = Vec::new();
    for way in WAYS {
        let paths = servers::fill(&host, way.resource).await?;
        contestants.push(Contestant {
            name: way.name.to_owned(),
            pid: host.pid(),
            address,
            requests: paths.iter().map(|path| Request::get(path)).collect(),
            status: 200,
        });
        all.extend(paths);
    }
    let baseline = Baseline::like(&host, &all).await?;
    let mut ours = Connection::open(address).await?;
    let mut theirs = Connection::open(baseline.address).await?;
    for path in &all {
        let request = Request::get(path).with("x-request-id", "the-same-for-both");
        servers::same(path, &ours.send(&request).await?, &theirs.send(&request).await?)?;
    }
    contestants.push(Contestant {
        name: "axum and sled by hand".to_owned(),
        pid: baseline.pid(),
        address: baseline.address,
        requests: all.iter().map(|path| Request::get(path)).collect(),
        status: 200,
    });
    report(&contest::run(&contestants, rules).await?, rules);
    Ok(())
}

fn report(scores: &[Score], rules: Rules) {
    println!(
        "\n### `GET /api/{{resource}}/{{id}}`, {} connections\n",
        rules.connections
    );
    println!("| served by | requests/s | ratio | promised | CPU of the server, us/request | ratio |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let Some(baseline) = scores.last() else { return };
    for (at, score) in scores.iter().enumerate() {
        let promised = WAYS.get(at).map(|way| format!("{:.2}", way.target)).unwrap_or_default();
        println!(
            "| {} | {:.0} | {:.2} | {promised} | {:.1} | {:.2} |",
            score.name,
            score.median(|turn| turn.per_second),
            score.ratio(baseline, |turn| turn.per_second),
            score.median(|turn| turn.cpu_us),
            score.ratio(baseline, |turn| turn.cpu_us),
        );
    }
}
