//! PNG files as images and as masks. The decoder leaves out its checksums where it is fuzzed.
#![no_main]

use elbo::{data::png_folder, uses::repair::Mask};
use elbo_fuzz::with_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(image) = with_file(data, png_folder::read) {
        let size = [image.height as usize, image.width as usize];
        assert_eq!(image.pixels.len(), size[0] * size[1]);
        if let Ok(mask) = with_file(data, |path| Mask::of_picture(size, path)) {
            assert_eq!(mask.pixels().len(), image.pixels.len());
        }
    }
});
