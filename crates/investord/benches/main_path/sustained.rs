//! Creates at full speed for a longer time: whether the slow ones stay near the usual ones, and whether anything grows.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use http_message_signatures::Algorithm;
use plotters::prelude::*;

use crate::Options;
use crate::aims::OWN;
use crate::load;
use crate::report::Report;
use crate::requests::{Ask, Sender};
use crate::server::Service;
use crate::single::mib;
use crate::works::Contestant;

/// The windows of time into which a run is divided.
const WINDOWS: u16 = 60;
/// What is sent before the clock runs.
const WARM_UP: Duration = Duration::from_secs(3);
/// The quantiles that are plotted.
const QUANTILES: [(&str, f64, RGBColor); 3] =
    [("p50", 0.5, BLUE), ("p99", 0.99, RED), ("p99.9", 0.999, BLACK)];

/// The figures of a window of time.
struct Window {
    latency: Histogram<u64>,
    memory: u64,
}

impl Window {
    fn quantile_ms(&self, quantile: f64) -> f64 {
        Duration::from_nanos(self.latency.value_at_quantile(quantile)).as_secs_f64() * 1e3
    }
}

/// A run over a number of connections.
struct Run<'a> {
    service: &'a Service,
    sender: &'a Sender,
    started: Instant,
    window: Duration,
    windows: RefCell<Vec<Window>>,
    /// Number of the last person that was created.
    person: &'a Cell<usize>,
}

/// Sends creates over each number of connections, for `length` each, and reports. Every connection signs its next
/// request when it has the answer to the last, before the clock of that request runs.
pub async fn measure(
    contestant: &Contestant,
    length: Duration,
    options: &Options,
    person: &mut usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Contestant { name, service, senders, .. } = contestant;
    let engine = name.trim_start_matches(OWN).split(',').next().unwrap_or_default();
    let Some(sender) = senders.iter().find(|one| one.proof.kind() == Some(Algorithm::Ed25519)) else {
        return Ok(());
    };
    for &connections in &options.connections {
        let windows = run(service, sender, connections, length, person).await?;
        let name = format!("{name}, {connections} connections, {} s", length.as_secs());
        tell(&name, length, &windows, report)?;
        if let Some(folder) = &options.plots {
            let engine = engine.to_lowercase();
            let file = folder.join(format!("create-{engine}-{connections}.svg"));
            draw(&file, &name, length, &windows).map_err(|error| anyhow!("{}: {error}", file.display()))?;
        }
    }
    Ok(())
}

async fn run(
    service: &Service,
    sender: &Sender,
    connections: usize,
    length: Duration,
    person: &mut usize,
) -> anyhow::Result<Vec<Window>> {
    let new = |_| Ok(Window { latency: load::histogram()?, memory: 0 });
    let windows = RefCell::new((0..WINDOWS).map(new).collect::<anyhow::Result<_>>()?);
    let mut opened = Vec::new();
    for process in service.processes.iter().cycle().take(connections) {
        opened.push(load::open(process.address).await?);
    }
    let window = length / u32::from(WINDOWS);
    let (started, last) = (Instant::now() + WARM_UP, Cell::new(*person));
    let run = Run { service, sender, started, window, windows, person: &last };
    try_join_all(opened.into_iter().map(|connection| run.work(connection))).await?;
    *person = last.get();
    Ok(run.windows.into_inner())
}

impl Run<'_> {
    async fn work(&self, mut connection: testing::http::Connection) -> anyhow::Result<()> {
        loop {
            self.person.set(self.person.get() + 1);
            let request = self.sender.prepare(&Ask::Create(self.person.get()))?;
            let began = Instant::now();
            let (status, body) = connection.call(&request.bytes).await?;
            let ended = Instant::now();
            ensure!(status == 200, "an answer of status {status}: {}", String::from_utf8_lossy(body));
            let Some(since) = ended.checked_duration_since(self.started) else { continue };
            let at = usize::try_from(since.as_nanos() / self.window.as_nanos())?;
            let mut windows = self.windows.borrow_mut();
            let Some(window) = windows.get_mut(at) else { return Ok(()) };
            window.latency.record(u64::try_from((ended - began).as_nanos())?)?;
            if window.memory == 0 {
                window.memory = self.service.memory()?.0;
            }
        }
    }
}

fn tell(name: &str, length: Duration, windows: &[Window], report: &mut Report) -> anyhow::Result<()> {
    let mut all = load::histogram()?;
    windows.iter().try_for_each(|window| all.add(&window.latency))?;
    let all = Window { latency: all, memory: 0 };
    let name = |what: &str| format!("{name}: {what}");
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let per_second = all.latency.len() as f64 / length.as_secs_f64();
    report.fact(&name("creates"), per_second, "/s");
    for (quantile, value, _) in QUANTILES {
        report.fact(&name(quantile), all.quantile_ms(value), "ms");
    }
    let ratio = all.quantile_ms(0.99) / all.quantile_ms(0.5);
    report.at_most(&name("p99 to p50"), ratio, "times", 3.0);
    let (first, last) = (windows.first().context("no windows")?, windows.last().context("no windows")?);
    report.fact(
        &name("p50 in the last window to the first"),
        last.quantile_ms(0.5) / first.quantile_ms(0.5),
        "times",
    );
    report.fact(&name("resident memory in the first window"), mib(first.memory), "MiB");
    report.fact(&name("resident memory in the last window"), mib(last.memory), "MiB");
    Ok(())
}

/// Draws latencies and memory over time as SVG.
fn draw(
    file: &Path,
    name: &str,
    length: Duration,
    windows: &[Window],
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(file, (900, 520)).into_drawing_area();
    area.fill(&WHITE)?;
    let (upper, lower) = area.split_vertically(360);
    let seconds = length.as_secs_f64();
    let at = |window: u16| seconds * f64::from(window) / f64::from(WINDOWS);
    let numbered = || (0..WINDOWS).zip(windows);
    let highest = windows.iter().map(|window| window.quantile_ms(0.999)).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&upper)
        .caption(format!("{name}: latency of creates"), ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(25)
        .y_label_area_size(55)
        .build_cartesian_2d(0.0..seconds, 0.0..highest * 1.05)?;
    chart.configure_mesh().light_line_style(TRANSPARENT).y_desc("ms").draw()?;
    for (quantile, value, colour) in QUANTILES {
        let line = numbered().map(|(number, window)| (at(number), window.quantile_ms(value)));
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
            .label(quantile)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE)
        .draw()?;
    let most = windows.iter().map(|window| mib(window.memory)).fold(1.0, f64::max);
    let mut memory = ChartBuilder::on(&lower)
        .margin(10)
        .x_label_area_size(35)
        .y_label_area_size(55)
        .build_cartesian_2d(0.0..seconds, 0.0..most * 1.2)?;
    memory.configure_mesh().light_line_style(TRANSPARENT).y_labels(4).x_desc("s").y_desc("MiB").draw()?;
    let line = numbered().map(|(number, window)| (at(number), mib(window.memory)));
    memory.draw_series(LineSeries::new(line, GREEN.stroke_width(2)))?;
    area.present()?;
    Ok(())
}
