//! The study as one self-contained page: no network, no library, and readable without its few
//! lines of JavaScript, which only open the step that a link leads to.

mod diagram;

use std::fmt::Write;

use ndarray::Array2;

use super::{Part, Step, Study, shaped};
use crate::gradcheck::TOLERANCE;

const STYLE: &str = include_str!("page.css");

/// Opens the step that the address names, from a link in the diagram or from a bookmark.
const OPEN: &str = "\
const open = () => { const step = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (step?.tagName === 'DETAILS') { step.open = true; step.scrollIntoView(); } };
addEventListener('hashchange', open); open();
for (const button of document.querySelectorAll('[data-open]')) button.onclick = () => {
  for (const step of document.querySelectorAll('details')) step.open = button.dataset.open === 'yes'; };";

/// The page with the steps that `shown` chooses.
pub fn html(study: &Study, shown: impl Fn(&Step) -> bool) -> String {
    let network: Vec<String> = study.network.iter().map(ToString::to_string).collect();
    let (network, images) = (network.join("-"), study.steps[0].values.nrows());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>One training step of a {network} VAE</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>One training step, taken apart</h1>\n\
         <p>A variational autoencoder {network} takes one step on {images} image{} in f64. Every \
         quantity is shown in the order of its computation; beside every gradient stands the \
         numeric one, from the loss alone.</p>\n",
        if images == 1 { "" } else { "s" },
    );
    page += &verdict(study);
    page += &diagram::diagram(study, &shown);
    page += "<p class=\"code\">Each box leads to its step. On a narrow screen the diagram scrolls \
             sideways.</p>\n";
    page += "<p class=\"buttons\"><button data-open=\"yes\">open all</button> \
             <button data-open=\"no\">close all</button></p>\n";
    for part in Part::ALL {
        let mut steps =
            study.steps.iter().filter(|step| step.part == part && shown(step)).peekable();
        if steps.peek().is_some() {
            let _ = writeln!(page, "<h2>{}</h2>", part.title());
        }
        for step in steps {
            write_step(&mut page, step, study, &shown);
        }
    }
    let _ = write!(page, "</main>\n<script>\n{OPEN}\n</script>\n</body>\n</html>\n");
    page
}

fn verdict(study: &Study) -> String {
    let checked = study.checked().count();
    let wrong: Vec<&Step> = study.wrong().collect();
    let (before, after) = (study.before.elbo, study.after.elbo);
    let found = match wrong.first() {
        None => format!("<strong class=\"right\">All {checked} gradients agree.</strong>"),
        Some(first) => {
            let from_it = wrong[1..].iter().filter(|step| study.comes_from(step, &first.name));
            let others = match (from_it.count(), wrong.len() - 1) {
                (_, 0) => String::new(),
                (n, all) if n == all => ", and all others are computed from it".into(),
                (n, all) => format!("; of the others {n} are computed from it, {} not", all - n),
            };
            format!(
                "<strong class=\"wrong\">{} of {checked} gradients are wrong.</strong> The first is \
                 {}{others}.",
                wrong.len(),
                link(&first.name)
            )
        }
    };
    let fault = study.fault.as_ref();
    let planted = fault.map_or(String::new(), |fault| format!(" Planted: <code>{fault}</code>."));
    format!("<p>{found}{planted} ELBO {before:.6} before the step, {after:.6} after it.</p>\n")
}

fn link(name: &str) -> String {
    format!("<a href=\"#{name}\"><code>{name}</code></a>")
}

fn write_step(page: &mut String, step: &Step, study: &Study, shown: impl Fn(&Step) -> bool) {
    let (rows, columns) = step.values.dim();
    let mark = match &step.check {
        Some(check) if check.is_right() => {
            format!("<span class=\"right\">{:.0e}</span>", check.max_relative_error)
        }
        Some(check) => {
            format!("<span class=\"wrong\">{}</span>", escaped(&check.verdict.to_string()))
        }
        None => String::new(),
    };
    let name = &step.name;
    let _ = writeln!(
        page,
        "<details id=\"{name}\"><summary><code>{name}</code> <span>{}</span> \
         <span class=\"shape\">{rows} × {columns}</span> {mark}</summary>",
        escaped(&step.title)
    );
    if step.name == "x" {
        *page += &pictures(&step.values);
    }
    let _ = writeln!(page, "<p class=\"equation\">{}</p>", escaped(&step.equation));
    let is_shown = |name: &&String| study.steps.iter().any(|s| s.name == **name && shown(s));
    let from: Vec<String> = step.from.iter().filter(is_shown).map(|name| link(name)).collect();
    let from = match from.is_empty() {
        true => String::new(),
        false => format!(" From {}.", from.join(", ")),
    };
    let _ = writeln!(
        page,
        "<p class=\"code\"><code>{}</code> in <code>{}</code>, chapter {} of the guide.{from}</p>",
        step.code, step.file, step.chapter
    );
    let _ = match &step.check {
        Some(check) => {
            let numeric = shaped(&step.values, &check.quotients);
            let errors = shaped(&step.values, &check.errors);
            writeln!(
                page,
                "<div class=\"matrices\">{}{}{}</div>",
                matrix("by hand", &step.values, largest(&step.values)),
                matrix("numeric", &numeric, largest(&numeric)),
                // The strongest colour is for what is wrong.
                matrix("relative error", &errors, TOLERANCE)
            )
        }
        None => {
            let values = matrix("", &step.values, largest(&step.values));
            writeln!(page, "<div class=\"matrices\">{values}</div>")
        }
    };
    page.push_str("</details>\n");
}

fn largest(values: &Array2<f64>) -> f64 {
    values.iter().fold(0.0, |a, v| a.max(v.abs()))
}

/// The images themselves, if they are square.
fn pictures(x: &Array2<f64>) -> String {
    let side = x.ncols().isqrt();
    if side * side != x.ncols() {
        return String::new();
    }
    let mut pictures = String::from("<p class=\"pictures\">");
    for image in x.rows() {
        let _ = write!(
            pictures,
            "<svg viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"an image\">"
        );
        for (i, pixel) in image.iter().enumerate() {
            let grey = (255.0 * pixel).round();
            let _ = write!(
                pictures,
                "<rect x=\"{}\" y=\"{}\" width=\"1\" height=\"1\" fill=\"rgb({grey},{grey},{grey})\"/>",
                i % side,
                i / side
            );
        }
        pictures += "</svg> ";
    }
    pictures + "</p>\n"
}

/// A matrix as a table whose cells are coloured by sign and size, most strongly from `most` on.
fn matrix(caption: &str, values: &Array2<f64>, most: f64) -> String {
    let mut table = format!("<table><caption>{caption}</caption>\n");
    for row in values.rows() {
        table += "<tr>";
        for &v in row {
            // With most of the ink left to the number.
            let strength = if v == 0.0 { 0.0 } else { 0.6 * (v.abs() / most).min(1.0) };
            let colour = if v < 0.0 { "31, 111, 192" } else { "224, 112, 16" };
            let _ = write!(
                table,
                "<td style=\"background: rgba({colour}, {strength:.2})\" title=\"{v:e}\">{}</td>",
                number(v)
            );
        }
        table += "</tr>\n";
    }
    table + "</table>"
}

fn number(v: f64) -> String {
    let size = v.abs();
    if v == 0.0 || (1e-3..1e4).contains(&size) { format!("{v:.4}") } else { format!("{v:.1e}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
