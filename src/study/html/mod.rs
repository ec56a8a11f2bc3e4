//! The study as one self-contained page: no network, no library, and readable without its few
//! lines of JavaScript, which only open the step that a link leads to.

mod diagram;

use std::fmt::Write;

use ndarray::Array2;

use super::{Part, Step, Study};

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
        Some(first) => format!(
            "<strong class=\"wrong\">{} of {checked} gradients are wrong.</strong> The first is {}; \
             the others are computed from it.",
            wrong.len(),
            link(&first.name)
        ),
    };
    format!("<p>{found} ELBO {before:.6} before the step, {after:.6} after it.</p>\n")
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
    let _ = match &step.numeric {
        None => writeln!(page, "<div class=\"matrices\">{}</div>", matrix("", &step.values)),
        Some(numeric) => writeln!(
            page,
            "<div class=\"matrices\">{}{}{}</div>",
            matrix("by hand", &step.values),
            matrix("numeric", numeric),
            matrix("relative error", &relative_error(&step.values, numeric))
        ),
    };
    page.push_str("</details>\n");
}

/// |a - b| / max(|a|, |b|), 0 where both are.
fn relative_error(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let mut error = a.clone();
    error.zip_mut_with(b, |a, &b| {
        let size = a.abs().max(b.abs());
        *a = if size == 0.0 { 0.0 } else { (*a - b).abs() / size };
    });
    error
}

/// A matrix as a table whose cells are coloured by sign and size.
fn matrix(caption: &str, values: &Array2<f64>) -> String {
    let largest = values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    let mut table = format!("<table><caption>{caption}</caption>\n");
    for row in values.rows() {
        table += "<tr>";
        for &v in row {
            // With most of the ink left to the number.
            let strength = if largest > 0.0 { 0.6 * v.abs() / largest } else { 0.0 };
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
