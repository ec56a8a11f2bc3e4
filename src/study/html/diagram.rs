//! The computation as a diagram: forward down the left side, backward up the right, parameters
//! and their gradients outside.

use std::collections::HashMap;
use std::fmt::Write;

use super::{Part, Step, Study};

const WIDTH: f64 = 720.0;
const ROW: f64 = 44.0;
const HEIGHT: f64 = 26.0;
const TOP: f64 = 30.0;
const GAP: f64 = 8.0;
/// Above and below the row of the heads.
const HEADS: f64 = 10.0;
/// Left edges and widths of the four columns.
const PARAMETERS: (f64, f64) = (4.0, 84.0);
const FORWARD: (f64, f64) = (108.0, 230.0);
const BACKWARD: (f64, f64) = (382.0, 230.0);
const GRADIENTS: (f64, f64) = (632.0, 84.0);

/// Signals that share a row.
const PAIRS: [[&str; 2]; 4] =
    [["mu", "log_var"], ["sigma", "eps"], ["log_prob", "kl"], ["reconstruction", "mean_kl"]];
/// Gradients in the row of a signal that is not their own.
const BESIDE: [(&str, [&str; 2]); 2] =
    [("sigma", ["d_mu.z", "d_log_var.z"]), ("kl", ["d_mu.kl", "d_log_var.kl"])];

/// A box: its step, its place, and what is written in it.
struct Node<'a> {
    step: &'a Step,
    label: &'a str,
    x: f64,
    y: f64,
    width: f64,
}

impl Node<'_> {
    fn middle(&self) -> f64 {
        self.x + self.width / 2.0
    }

    fn is_backward(&self) -> bool {
        self.step.part == Part::Backward
    }
}

/// The diagram of the steps that are shown.
pub(super) fn diagram(study: &Study, shown: impl Fn(&Step) -> bool) -> String {
    let steps: HashMap<&str, &Step> =
        study.steps.iter().filter(|s| shown(s)).map(|s| (s.name.as_str(), s)).collect();
    let mut nodes = vec![];
    let mut y = TOP;
    for row in &rows(study) {
        // Both heads have their parameters beside this one.
        let margin = if row.iter().any(|name| name == "mu") { HEADS } else { 0.0 };
        y += margin;
        place(&mut nodes, &steps, row, FORWARD, y);
        place(&mut nodes, &steps, &gradients(row), BACKWARD, y);
        for name in row {
            parameters(&mut nodes, &steps, name, y);
        }
        y += ROW + margin;
    }
    let height = y;
    let mut svg = format!(
        "<div class=\"diagram\"><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"The computation as a diagram\">\n<defs><marker id=\"tip\" viewBox=\"0 0 6 6\" \
         refX=\"6\" refY=\"3\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0 6 3 0 6z\"/></marker></defs>\n"
    );
    let titles = [
        ("parameters", PARAMETERS),
        ("forward", FORWARD),
        ("backward", BACKWARD),
        ("gradients", GRADIENTS),
    ];
    for (title, (x, width)) in titles {
        let _ = writeln!(
            svg,
            "<text class=\"title\" x=\"{}\" y=\"16\">{title}</text>",
            x + width / 2.0
        );
    }
    edges(&mut svg, &nodes);
    nodes.iter().for_each(|node| draw(&mut svg, node));
    svg + "</svg></div>\n"
}

/// The signals of the forward pass row by row.
fn rows(study: &Study) -> Vec<Vec<String>> {
    let is_signal = |step: &&Step| {
        let parameter = step.name.ends_with(".weight") || step.name.ends_with(".bias");
        matches!(step.part, Part::Forward | Part::Loss) && !parameter
    };
    let mut rows = vec![];
    for step in study.steps.iter().filter(is_signal) {
        match PAIRS.iter().find(|pair| pair.contains(&step.name.as_str())) {
            Some(pair) if step.name == pair[0] => rows.push(pair.map(String::from).to_vec()),
            Some(_) => {}
            None => rows.push(vec![step.name.clone()]),
        }
    }
    rows
}

/// The gradients beside a row.
fn gradients(row: &[String]) -> Vec<String> {
    match BESIDE.iter().find(|(signal, _)| row.iter().any(|name| name == signal)) {
        Some((_, names)) => names.map(String::from).to_vec(),
        None => row.iter().map(|name| format!("d_{name}")).collect(),
    }
}

/// Puts boxes side by side into a column.
fn place<'a>(
    nodes: &mut Vec<Node<'a>>,
    steps: &HashMap<&str, &'a Step>,
    names: &[String],
    (x, width): (f64, f64),
    y: f64,
) {
    let each = (width - GAP * (names.len() - 1) as f64) / names.len() as f64;
    for (i, name) in names.iter().enumerate() {
        if let Some(step) = steps.get(name.as_str()) {
            nodes.push(Node {
                step,
                label: &step.name,
                x: x + i as f64 * (each + GAP),
                y,
                width: each,
            });
        }
    }
}

/// W and b of the layer that computes a signal, and their gradients.
fn parameters<'a>(
    nodes: &mut Vec<Node<'a>>,
    steps: &HashMap<&str, &'a Step>,
    signal: &str,
    y: f64,
) {
    let Some(weight) =
        steps.get(signal).and_then(|s| s.from.iter().find(|f| f.ends_with(".weight")))
    else {
        return;
    };
    let layer = weight.trim_end_matches(".weight");
    let y = match signal {
        "mu" => y - HEIGHT / 2.0 - GAP / 4.0,
        "log_var" => y + HEIGHT / 2.0 + GAP / 4.0,
        _ => y,
    };
    for (prefix, (x, width)) in [("", PARAMETERS), ("d_", GRADIENTS)] {
        for (i, (part, label)) in [("weight", "W"), ("bias", "b")].into_iter().enumerate() {
            if let Some(step) = steps.get(format!("{prefix}{layer}.{part}").as_str()) {
                let half = (width - GAP) / 2.0;
                let label = if prefix.is_empty() { label } else { ["dW", "db"][i] };
                nodes.push(Node { step, label, x: x + i as f64 * (half + GAP), y, width: half });
            }
        }
    }
}

/// Arrows from what a quantity is computed from, where they don't hide the rest: down the forward
/// side, up the backward side, across at the loss.
fn edges(svg: &mut String, nodes: &[Node]) {
    let at: HashMap<&str, &Node> = nodes.iter().map(|n| (n.step.name.as_str(), n)).collect();
    for to in nodes {
        for from in to.step.from.iter().filter_map(|name| at.get(name.as_str())) {
            let across = from.is_backward() != to.is_backward();
            let at_the_loss = ["loss", "mean_kl"].contains(&from.step.name.as_str());
            // Of a pair of boxes only the inner one is led to.
            let outer = from.label == "W" || to.label == "db";
            if (across && !at_the_loss) || outer {
                continue;
            }
            let _ = writeln!(svg, "<path d=\"{}\" marker-end=\"url(#tip)\"/>", path(from, to));
        }
    }
}

/// A line from edge to edge; a long one swings out into the middle of the diagram.
fn path(from: &Node, to: &Node) -> String {
    let (x1, x2, y1, y2) = (from.middle(), to.middle(), from.y, to.y);
    let side = HEIGHT / 2.0;
    if from.is_backward() != to.is_backward()
        || (y1 - y2).abs() < ROW / 2.0
        || from.width < 50.0
        || to.width < 50.0
    {
        let right = x1 < x2;
        let start = if right { from.x + from.width } else { from.x };
        let end = if right { to.x } else { to.x + to.width };
        return format!("M{start:.0} {:.0}L{end:.0} {:.0}", y1 + side, y2 + side);
    }
    let down = y1 < y2;
    let (start, end) = if down { (y1 + HEIGHT, y2) } else { (y1, y2 + HEIGHT) };
    if (y1 - y2).abs() < 1.5 * ROW {
        return format!("M{x1:.0} {start:.0}L{x2:.0} {end:.0}");
    }
    let (start, end, out) = match down {
        true => (from.x + from.width, to.x + to.width, FORWARD.0 + FORWARD.1 + 20.0),
        false if from.x < BACKWARD.0 + 1.0 => (from.x, to.x, BACKWARD.0 - 20.0),
        false => (from.x + from.width, to.x + to.width, BACKWARD.0 + BACKWARD.1 + 12.0),
    };
    let (y1, y2) = (y1 + side, y2 + side);
    format!("M{start:.0} {y1:.0}C{out:.0} {y1:.0} {out:.0} {y2:.0} {end:.0} {y2:.0}")
}

fn draw(svg: &mut String, node: &Node) {
    let class = match &node.step.check {
        Some(check) if check.is_right() => "right",
        Some(_) => "wrong",
        None => "",
    };
    let Node { step, label, x, y, width } = node;
    let _ = writeln!(
        svg,
        "<a href=\"#{}\" class=\"{class}\"><rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" \
         height=\"{HEIGHT}\" rx=\"4\"/><text x=\"{:.0}\" y=\"{:.0}\">{label}</text></a>",
        step.name,
        node.middle(),
        y + HEIGHT / 2.0 + 4.0
    );
}
