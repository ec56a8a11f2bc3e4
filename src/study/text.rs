//! The study as text, at most 100 columns wide.

use std::fmt::Write;

use ndarray::Array2;

use super::{Part, Step, Study, shaped};

/// The widest line.
const WIDTH: usize = 100;
/// The width of a number with the space before it.
const CELL: usize = 11;
const INDENT: &str = "    ";

/// Colours of a terminal, or none.
#[derive(Clone, Copy)]
struct Ink {
    colour: bool,
}

impl Ink {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }

    fn heading(self, text: &str) -> String {
        self.paint("1;36", text)
    }

    fn name(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn quiet(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn right(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn wrong(self, text: &str) -> String {
        self.paint("1;31", text)
    }
}

/// The steps that `shown` chooses, and what the check of all gradients found; in colour for a
/// terminal.
pub fn text(study: &Study, shown: impl Fn(&Step) -> bool, colour: bool) -> String {
    let ink = Ink { colour };
    let mut out = String::new();
    for part in Part::ALL {
        let mut steps =
            study.steps.iter().filter(|step| step.part == part && shown(step)).peekable();
        if steps.peek().is_some() {
            out += &format!("{}\n\n", ink.heading(part.title()));
        }
        steps.for_each(|step| write_step(&mut out, step, ink));
    }
    out += &verdict(study, ink);
    out
}

fn write_step(out: &mut String, step: &Step, ink: Ink) {
    let (rows, columns) = step.values.dim();
    let title = ink.name(&step.name);
    let _ = writeln!(out, "{title} ({rows} x {columns}): {}", step.title);
    let code = ink.quiet(&format!("{} in {}, chapter {}", step.code, step.file, step.chapter));
    let _ = writeln!(out, "{INDENT}{}\n{INDENT}{code}", step.equation);
    match &step.check {
        Some(check) => {
            write_pair(out, &step.values, &shaped(&step.values, &check.quotients));
            let found = format!(
                "{}: largest relative error {:.0e}",
                check.verdict, check.max_relative_error
            );
            let found = if check.is_right() { ink.right(&found) } else { ink.wrong(&found) };
            let _ = writeln!(out, "{INDENT}{found}");
        }
        None => write_matrix(out, &step.values, WIDTH - INDENT.len()),
    }
    out.push('\n');
}

/// A number in ten characters.
fn number(v: f64) -> String {
    match v.abs() {
        0.0 | 1e-3..99.0 => format!("{v:10.6}"),
        1e-99..1e100 => format!("{v:10.3e}"),
        _ => format!("{v:10.2e}"),
    }
}

/// A matrix, in bands of as many columns as fit.
fn write_matrix(out: &mut String, values: &Array2<f64>, width: usize) {
    for line in lines(values, width) {
        let _ = writeln!(out, "{INDENT}{line}");
    }
}

fn lines(values: &Array2<f64>, width: usize) -> Vec<String> {
    let columns = values.ncols();
    let band = (width / CELL).max(1);
    let mut lines = vec![];
    for first in (0..columns).step_by(band) {
        let last = (first + band).min(columns);
        if columns > band {
            lines.push(format!("columns {first} to {}", last - 1));
        }
        lines.extend(values.rows().into_iter().map(|row| {
            let cells = row.iter().skip(first).take(last - first).map(|&v| number(v));
            cells.collect::<Vec<_>>().join(" ")
        }));
    }
    lines
}

/// A gradient with the numeric one beside it, or below it where both are too wide.
fn write_pair(out: &mut String, analytic: &Array2<f64>, numeric: &Array2<f64>) {
    const GAP: usize = 4;
    let half = (WIDTH - INDENT.len() - GAP) / 2;
    if analytic.ncols() * CELL > half {
        let _ = writeln!(out, "{INDENT}by hand");
        write_matrix(out, analytic, WIDTH - INDENT.len());
        let _ = writeln!(out, "{INDENT}numeric");
        return write_matrix(out, numeric, WIDTH - INDENT.len());
    }
    let width = (analytic.ncols() * CELL).max("by hand".len() + 1) + GAP;
    let _ = writeln!(
        out,
        "{INDENT}{:>10}{:width$}{:>10}",
        "by hand",
        "",
        "numeric",
        width = width - 10
    );
    for (left, right) in lines(analytic, half).iter().zip(lines(numeric, half)) {
        let _ = writeln!(out, "{INDENT}{left:width$}{}", right.trim_end());
    }
}

/// What the check of all gradients found.
fn verdict(study: &Study, ink: Ink) -> String {
    let gradients = study.checked().count();
    let errors = study.checked().filter_map(|step| step.check.as_ref());
    let largest = errors.map(|check| check.max_relative_error).fold(0.0, f64::max);
    let (before, after) = (study.before.elbo, study.after.elbo);
    let mut out = format!("ELBO {before:.6} before the step, {after:.6} after it.\n");
    if let Some(fault) = &study.fault {
        let _ = writeln!(out, "Planted: {fault}.");
    }
    let wrong: Vec<&Step> = study.wrong().collect();
    let Some(first) = wrong.first() else {
        let right = format!(
            "All {gradients} gradients agree with the numeric ones; largest relative error {largest:.0e}."
        );
        return out + &ink.right(&right) + "\n";
    };
    let found = format!("{} of {gradients} gradients are wrong.", wrong.len());
    let _ = writeln!(out, "{}", ink.wrong(&found));
    let verdict = first.check.as_ref().map(|check| check.verdict.to_string()).unwrap_or_default();
    let _ = writeln!(out, "The first is {}: {verdict}.", ink.name(&first.name));
    let _ = writeln!(out, "    {}\n    {} in {}", first.equation, first.code, first.file);
    let (from_it, others): (Vec<&Step>, Vec<&Step>) =
        wrong[1..].iter().partition(|step| study.comes_from(step, &first.name));
    for (what, steps) in [("Computed from it:", from_it), ("Wrong without it:", others)] {
        if steps.is_empty() {
            continue;
        }
        let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
        let _ = writeln!(out, "{what}");
        out += &wrapped(&names.join(", "));
    }
    out
}

/// Words in lines that fit.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = &lines[lines.len() - 1];
        if !line.is_empty() && INDENT.len() + line.len() + 1 + word.len() > WIDTH {
            lines.push(String::new());
        }
        let line = lines.last_mut().expect("never empty");
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.iter().map(|line| format!("{INDENT}{line}\n")).collect()
}
