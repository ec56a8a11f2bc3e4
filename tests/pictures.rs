//! Pictures hold what they were given: pixels where they belong, every point in the plot, the same
//! bytes each time, and no file where something is wrong.

use std::collections::HashSet;
use std::fs;
use std::io::BufReader;
use std::path::Path;

use elbo::pictures::{
    LinePlot, Panel, PictureError, ScatterPlot, Series, Thumbnails, save_animation, save_grid,
    save_learning_curves, save_lines, save_pairs, save_scatter,
};
use ndarray::{Array2, array};
use proptest::prelude::*;

const BACKGROUND: u8 = 96;
const SEPARATOR: usize = 2;
const PAIR_SEPARATOR: usize = 10;

/// A grey picture, (height, width).
fn decode(path: &Path) -> Array2<u8> {
    let decoder = png::Decoder::new(BufReader::new(fs::File::open(path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(
        (info.color_type, info.bit_depth),
        (png::ColorType::Grayscale, png::BitDepth::Eight)
    );
    Array2::from_shape_vec((info.height as usize, info.width as usize), pixels).unwrap()
}

fn draw(save: impl FnOnce(&Path) -> Result<(), PictureError>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture");
    save(&path).unwrap();
    fs::read(path).unwrap()
}

/// What the error says after the name of the picture, once sure that no file has come to be.
fn refused(save: impl FnOnce(&Path) -> Result<(), PictureError>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture");
    let message = save(&path).unwrap_err().to_string();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    message.strip_prefix(&format!("cannot draw {}: ", path.display())).unwrap().to_string()
}

#[derive(Debug)]
struct Images {
    values: Array2<f32>,
    height: usize,
    width: usize,
    columns: usize,
}

impl Images {
    fn grey(&self, image: usize, y: usize, x: usize) -> u8 {
        (self.values[[image, y * self.width + x]].clamp(0.0, 1.0) * 255.0).round() as u8
    }
}

fn any_images() -> impl Strategy<Value = Images> {
    (1..12_usize, 1..40_usize, 1..40_usize, 1..8_usize).prop_flat_map(
        |(n, height, width, columns)| {
            proptest::collection::vec(-0.2..1.2_f32, n * height * width).prop_map(move |values| {
                let values = Array2::from_shape_vec((n, height * width), values).unwrap();
                Images { values, height, width, columns }
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_grid_holds_every_pixel_enlarged_and_background_elsewhere(images in any_images()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        let Images { values, height, width, columns } = &images;
        save_grid(&path, values.view(), *height, *width, *columns).unwrap();

        let picture = decode(&path);
        let (n, columns) = (values.nrows(), *columns.min(&values.nrows()));
        let rows = n.div_ceil(columns);
        let factor = ((picture.ncols() - SEPARATOR) / columns - SEPARATOR) / width;
        let longest = (columns * width).max(rows * height);
        prop_assert!(factor * longest <= 900 && 900 < (factor + 1) * longest);
        let (down, across) = (height * factor + SEPARATOR, width * factor + SEPARATOR);
        prop_assert_eq!(picture.dim(), (rows * down + SEPARATOR, columns * across + SEPARATOR));
        for ((y, x), &grey) in picture.indexed_iter() {
            let image = y / down * columns + x / across;
            let expected = match (y % down, x % across) {
                (y, x) if y >= SEPARATOR && x >= SEPARATOR && image < n => {
                    images.grey(image, (y - SEPARATOR) / factor, (x - SEPARATOR) / factor)
                }
                _ => BACKGROUND,
            };
            prop_assert_eq!(grey, expected, "at row {}, column {}", y, x);
        }
    }

    #[test]
    fn in_pairs_each_original_stands_above_its_reconstruction(images in any_images()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.png");
        let Images { values, height, width, columns } = &images;
        let negative = values.mapv(|value| 1.0 - value);
        save_pairs(&path, values.view(), negative.view(), *height, *width, *columns).unwrap();
        let pairs = decode(&path);

        let rows = values.nrows().div_ceil(*columns);
        let shown = *columns.min(&values.nrows());
        let factor = ((pairs.ncols() - SEPARATOR) / shown - SEPARATOR) / width;
        let cell = height * factor;
        let pair_height = 2 * cell + SEPARATOR + PAIR_SEPARATOR;
        prop_assert_eq!(pairs.nrows(), rows * pair_height + 2 * SEPARATOR - PAIR_SEPARATOR);
        for row in 0..rows {
            for (below, source) in [values, &negative].into_iter().enumerate() {
                let top = SEPARATOR + row * pair_height + below * (cell + SEPARATOR);
                for image in row * shown..((row + 1) * shown).min(values.nrows()) {
                    let left = SEPARATOR + image % shown * (width * factor + SEPARATOR);
                    for (pixel, &value) in source.row(image).iter().enumerate() {
                        let (y, x) = (pixel / width * factor, pixel % width * factor);
                        let expected = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
                        prop_assert_eq!(pairs[[top + y, left + x]], expected);
                        let last = factor - 1;
                        prop_assert_eq!(pairs[[top + y + last, left + x + last]], expected);
                    }
                }
            }
        }
    }

    #[test]
    fn any_numbers_make_a_plot(
        points in proptest::collection::vec((proptest::num::f64::ANY, proptest::num::f64::ANY), 0..9)
    ) {
        let panel = Panel { title: "any".into(), series: vec![series("train", points.clone())] };
        let curves = draw(|path| save_learning_curves(path, &[panel]));
        let scatter = draw(|path| save_scatter(path, &scatter_plot("any", &points, None)));
        for svg in [curves, scatter] {
            let svg = String::from_utf8(svg).unwrap();
            prop_assert!(svg.ends_with("</svg>\n"));
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }
}

#[test]
fn what_is_out_of_range_is_drawn_as_black_or_white() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid.png");
    let values = array![[-3.0, f32::NEG_INFINITY], [1.5, f32::INFINITY]];
    save_grid(&path, values.view(), 1, 2, 1).unwrap();
    let picture = decode(&path);
    assert_eq!(picture[[SEPARATOR, SEPARATOR]], 0);
    assert_eq!(picture[[SEPARATOR, picture.ncols() - SEPARATOR - 1]], 0);
    assert_eq!(picture[[picture.nrows() - SEPARATOR - 1, SEPARATOR]], 255);
}

#[test]
fn ten_by_ten_mnist_images_are_a_comfortable_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid.png");
    save_grid(&path, Array2::zeros((100, 784)).view(), 28, 28, 10).unwrap();
    assert_eq!(decode(&path).dim(), (862, 862));
}

#[test]
fn images_that_cannot_be_drawn_are_refused_with_the_reason() {
    let grid = |values: Array2<f32>, height, width, columns| {
        refused(|path| save_grid(path, values.view(), height, width, columns))
    };
    assert_eq!(grid(Array2::zeros((0, 4)), 2, 2, 3), "no images");
    assert_eq!(grid(Array2::zeros((3, 0)), 0, 2, 3), "no pixels");
    assert_eq!(grid(Array2::zeros((3, 4)), 2, 2, 0), "no columns");
    assert_eq!(grid(Array2::zeros((3, 4)), 2, 3, 1), "images of 4 pixels are not 2 x 3");
    let overflowing = format!("images of 4 pixels are not {} x 2", usize::MAX);
    assert_eq!(grid(Array2::zeros((3, 4)), usize::MAX, 2, 1), overflowing);
    let nan = array![[0.0, 0.0], [1.0, f32::NAN]];
    assert_eq!(grid(nan, 1, 2, 1), "pixel 1 of image 1 is not a number");

    let (three, two) = (Array2::zeros((3, 4)), Array2::zeros((2, 4)));
    assert_eq!(
        refused(|path| save_pairs(path, three.view(), two.view(), 2, 2, 5)),
        "3 originals beside 2 reconstructions"
    );
}

#[test]
fn a_picture_for_a_missing_folder_says_that_it_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("grid.png");
    let error = save_grid(&path, Array2::zeros((1, 1)).view(), 1, 1, 1).unwrap_err();
    assert!(matches!(error, PictureError::File(_)));
    assert!(error.to_string().starts_with(&format!("cannot write {}: ", path.display())));
}

fn scatter_plot<'a>(
    title: &'a str,
    points: &'a [(f64, f64)],
    labels: Option<&'a [u8]>,
) -> ScatterPlot<'a> {
    ScatterPlot { title, x: "x", y: "y", points, labels, thumbnails: None }
}

fn series(name: &str, points: Vec<(f64, f64)>) -> Series {
    Series { name: name.to_string(), points }
}

fn count(svg: &[u8], pattern: &str) -> usize {
    String::from_utf8_lossy(svg).matches(pattern).count()
}

#[test]
fn few_epochs_are_marked_and_many_are_lines_alone() {
    let curves = |epochs: i32| {
        let points =
            |from: f64| (1..=epochs).map(move |e| (f64::from(e), from - 1.0 / f64::from(e)));
        let train = series("train", points(-100.0).collect());
        let test = series("test", points(-101.0).collect());
        let panel = Panel { title: "ELBO".into(), series: vec![train, test] };
        draw(|path| save_learning_curves(path, &[panel]))
    };
    assert_eq!(count(&curves(1), "<circle"), 2);
    assert_eq!(count(&curves(50), "<circle"), 100);
    assert_eq!(count(&curves(3000), "<circle"), 0);
    assert!(curves(3000).len() < 200_000);
}

#[test]
fn points_that_are_not_finite_are_left_out() {
    let points = vec![(1.0, 2.0), (2.0, f64::NAN), (3.0, f64::INFINITY), (4.0, 1.0)];
    let scatter = draw(|path| save_scatter(path, &scatter_plot("t", &points, None)));
    assert_eq!(count(&scatter, "<circle"), 2);
    let panel = Panel { title: "t".into(), series: vec![series("train", points)] };
    assert_eq!(count(&draw(|path| save_learning_curves(path, &[panel])), "<circle"), 2);
}

#[test]
fn no_panels_and_labels_that_do_not_match_are_refused() {
    assert_eq!(refused(|path| save_learning_curves(path, &[])), "no panels");
    assert_eq!(
        refused(|path| save_scatter(path, &scatter_plot("t", &[(0.0, 0.0)], Some(&[1, 2])))),
        "2 labels for 1 points"
    );
}

#[test]
fn names_with_a_meaning_in_xml_stay_text() {
    let svg = draw(|path| save_scatter(path, &scatter_plot("<a> & \"b\"", &[(0.0, 0.0)], None)));
    assert_eq!(count(&svg, "&lt;a&gt; &amp; &quot;b&quot;"), 1);
}

/// A cloud that is the same each time.
fn cloud(n: u32) -> (Vec<(f64, f64)>, Vec<u8>) {
    let point = |i: u32| ((f64::from(i) * 0.618).fract() * 6.0 - 3.0, (f64::from(i) * 0.41).sin());
    ((0..n).map(point).collect(), (0..n).map(|i| (i % 10) as u8).collect())
}

#[test]
fn ten_thousand_labelled_points_stay_under_a_megabyte_and_each_is_there() {
    let (points, labels) = cloud(10_000);
    let svg = draw(|path| save_scatter(path, &scatter_plot("latent", &points, Some(&labels))));
    assert!(svg.len() < 1_000_000, "{} bytes", svg.len());
    assert_eq!(count(&svg, "<circle"), 10_000 + 10);
}

#[test]
fn thirty_labels_differ_in_colour_or_shape() {
    let (points, _) = cloud(30);
    let labels: Vec<u8> = (0..30).collect();
    let svg = draw(|path| save_scatter(path, &scatter_plot("latent", &points, Some(&labels))));
    let svg = String::from_utf8(svg).unwrap();
    let marks: HashSet<(&str, &str)> = svg
        .lines()
        .filter(|line| line.contains(r#"opacity="0.6""#))
        .map(|line| (&line[..5], &line[line.find('#').unwrap()..][..7]))
        .collect();
    assert_eq!(marks.len(), 30);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (points, labels) = cloud(500);
    let scatter = || draw(|path| save_scatter(path, &scatter_plot("t", &points, Some(&labels))));
    assert_eq!(scatter(), scatter());
    let images = Array2::from_shape_fn((7, 12), |(i, j)| ((i * 12 + j) % 17) as f32 / 16.0);
    let grid = || draw(|path| save_grid(path, images.view(), 3, 4, 3));
    assert_eq!(grid(), grid());
}

#[test]
fn lines_are_drawn_with_a_legend_and_without_blank_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.svg");
    let series = |name: &str, points| Series { name: name.into(), points };
    let plot = LinePlot {
        title: "Growth".into(),
        x: "n".into(),
        y: "steps".into(),
        log_x: true,
        log_y: true,
        series: vec![
            series("square", vec![(1.0, 1.0), (10.0, 100.0), (f64::NAN, 3.0), (0.0, 4.0)]),
            series("cube", vec![(1.0, 1.0), (10.0, 1000.0)]),
        ],
    };
    save_lines(&path, &plot).unwrap();
    let svg = std::fs::read_to_string(&path).unwrap();
    for text in ["Growth", "square", "cube", "1000"] {
        assert!(svg.contains(&format!("\n{text}\n")), "{text}: {svg}");
    }
    // What has no place on a logarithmic axis is left out: two points of each curve, one mark each.
    assert_eq!(svg.matches("<circle").count(), 4);
    assert!(svg.lines().all(|line| !line.trim().is_empty()));

    let empty = LinePlot { series: vec![], ..plot };
    assert!(matches!(
        save_lines(&path, &empty),
        Err(PictureError::Empty { missing: "series", .. })
    ));
}

/// A colour picture: its width, and red, green and blue of each pixel.
fn decode_rgb(path: &Path) -> (usize, Vec<[u8; 3]>) {
    let decoder = png::Decoder::new(BufReader::new(fs::File::open(path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
    (info.width as usize, bytes.as_chunks().0.to_vec())
}

fn scatter_png(plot: &ScatterPlot) -> (usize, Vec<[u8; 3]>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scatter.PNG");
    save_scatter(&path, plot).unwrap();
    decode_rgb(&path)
}

/// The first three colours of labels.
const COLOURS: [[u8; 3]; 3] = [[0x1f, 0x6f, 0xc0], [0xf0, 0x80, 0x10], [0x20, 0x90, 0x40]];

#[test]
fn a_scatter_plot_as_png_has_points_and_a_legend_in_the_colours_of_the_svg() {
    // Beside the lines of the grid.
    let points = [(0.13, 0.29), (1.07, 1.11), (2.0, f64::NAN)];
    let plot = scatter_plot("t", &points, Some(&[0, 1, 2]));
    let (width, pixels) = scatter_png(&plot);
    let svg = String::from_utf8(draw(|path| save_scatter(path, &plot))).unwrap();
    assert!(svg.contains(&format!(r#"width="{width}""#)));
    let count = |colour, left: bool| {
        let is_left = |at: &usize| (at % width < 640) == left;
        (0..pixels.len()).filter(is_left).filter(|&at| pixels[at] == colour).count()
    };
    // The marks of the legend are opaque, those of the plot are not.
    assert!(COLOURS.into_iter().all(|colour| count(colour, false) > 30));
    let mixed = |[r, g, b]: [u8; 3]| [r, g, b].map(|v| (102.0 + 0.6 * f64::from(v)).round() as u8);
    let found = COLOURS.map(|colour| count(mixed(colour), true) > 0);
    assert_eq!(found, [true, true, false]);
    // Numbers beside the marks.
    let is_ink = |pixel: &[u8; 3]| *pixel == [0x30; 3];
    let legend = pixels.chunks(width).flat_map(|row| &row[640 + 16..]);
    assert!(legend.filter(|pixel| is_ink(pixel)).count() > 20);
}

#[test]
fn higher_points_are_higher_in_a_png() {
    let (width, pixels) = scatter_png(&scatter_plot("t", &[(0.0, 0.0), (1.0, 5.0)], None));
    let blue = |pixel: &[u8; 3]| pixel[2] > 100 && pixel[0] < 0xb0 && pixel[0] < pixel[2];
    let at: Vec<usize> = (0..pixels.len()).filter(|&i| blue(&pixels[i])).collect();
    let (upper, lower) = (at[0], at[at.len() - 1]);
    assert!(upper % width > lower % width && lower / width - upper / width > 400);
}

/// White images with a black corner.
fn tiles(n: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, 12 * 10), |(_, pixel)| if pixel == 0 { 0.0 } else { 1.0 })
}

#[test]
fn thumbnails_stand_at_their_points_in_both_formats_where_they_have_room() {
    // The third one is where the second is.
    let points = [(0.0, 0.0), (1.0, 1.0), (1.0, 1.0), (0.5, 0.5)];
    let images = tiles(4);
    let thumbnails = Some(Thumbnails { images: &images, height: 12, width: 10 });
    let plot = ScatterPlot { thumbnails, ..scatter_plot("t", &points, Some(&[0, 1, 2, 2])) };
    let (_, pixels) = scatter_png(&plot);
    let legend = COLOURS.map(|colour| {
        let without = ScatterPlot { points: &[(f64::NAN, 0.0); 4], ..plot };
        scatter_png(&without).1.iter().filter(|&&pixel| pixel == colour).count()
    });
    let found = COLOURS.map(|colour| pixels.iter().filter(|&&pixel| pixel == colour).count());
    for (found, legend) in found.into_iter().zip(legend) {
        assert_eq!(found - legend, 12 * 10 - 1);
    }
    let svg = draw(|path| save_scatter(path, &plot));
    assert_eq!(count(&svg, "data:image/png;base64,"), 1);
    assert_eq!(count(&svg, "<circle"), 3);
    assert!(svg.ends_with(b"</svg>\n"));
}

#[test]
fn thumbnails_that_do_not_fit_the_points_are_refused() {
    let images = tiles(2);
    let refused = |points: &[(f64, f64)], width| {
        let thumbnails = Some(Thumbnails { images: &images, height: 12, width });
        refused(|path| {
            save_scatter(path, &ScatterPlot { thumbnails, ..scatter_plot("t", points, None) })
        })
    };
    assert_eq!(refused(&[(0.0, 0.0)], 10), "2 thumbnails for 1 points");
    assert_eq!(refused(&[(0.0, 0.0); 2], 9), "images of 120 pixels are not 12 x 9");
}

#[test]
fn an_animation_has_its_frames_in_their_order_and_begins_anew() {
    let frames = Array2::from_shape_fn((5, 6), |(n, pixel)| (n * 6 + pixel) as f32 / 30.0);
    let file = draw(|path| save_animation(path, frames.view(), 2, 3, 70));
    let mut reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
    let control = *reader.info().animation_control().unwrap();
    assert_eq!((control.num_frames, control.num_plays), (5, 0));
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    for frame in frames.rows() {
        let info = reader.next_frame(&mut pixels).unwrap();
        // As often as 3 goes into 320.
        assert_eq!((info.width, info.height), (3 * 106, 2 * 106));
        let shown = reader.info().frame_control().unwrap();
        assert_eq!((shown.delay_num, shown.delay_den), (70, 1000));
        for (index, &value) in frame.iter().enumerate() {
            let (y, x) = (index / 3 * 106 + 50, index % 3 * 106 + 50);
            assert_eq!(pixels[y * 3 * 106 + x], (value * 255.0).round() as u8);
        }
    }
    assert_eq!(
        refused(|path| save_animation(path, frames.view(), 2, 2, 70)),
        "images of 6 pixels are not 2 x 2"
    );
    let none = Array2::zeros((0, 6));
    assert_eq!(refused(|path| save_animation(path, none.view(), 2, 3, 70)), "no images");
}
