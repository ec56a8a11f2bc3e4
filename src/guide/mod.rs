#![doc = include_str!("links.md")]
#![doc = include_str!("../../docs/README.md")]
#![doc = include_str!("page.html")]

/// The chapters as modules without items, whose documentation is the text.
///
/// What a page consists of: the places that its links lead to, here the items of this crate (in
/// `docs/` the definitions at the end of the chapter lead to the source files instead; of two
/// definitions the first one counts); the text; its figures; and the script that typesets the
/// mathematics and puts the figures where they belong.
macro_rules! chapters {
    ($($name:ident $file:literal [$($figure:literal)*])*) => { $(
        #[doc = include_str!("links.md")]
        #[doc = include_str!(concat!("../../docs/", $file))]
        $(
            #[doc = concat!("\n<div data-figure=\"images/", $figure, "\">\n")]
            #[doc = include_str!(concat!("../../docs/images/", $figure))]
            #[doc = "\n</div>\n"]
        )*
        #[doc = include_str!("page.html")]
        pub mod $name {}
    )* };
}

chapters! {
    ch01_latent_variable_models "01-latent-variable-models.md" []
    ch02_elbo "02-elbo.md" ["elbo-gap.svg"]
    ch03_kl_divergence "03-kl-divergence.md" []
    ch04_reparameterisation "04-reparameterisation.md" ["gradient-variance.svg"]
    ch05_dense_layers "05-dense-layers.md" []
    ch06_activations "06-activations.md" []
    ch07_bernoulli "07-bernoulli.md" []
    ch08_backward_pass "08-backward-pass.md" []
    ch09_adam "09-adam.md" []
    ch10_checking_gradients "10-checking-gradients.md" ["step-sweep.svg"]
    ch11_kernels "11-kernels.md" []
    ch12_training_dynamics "12-training-dynamics.md" ["trade.svg" "warm-up.svg"]
    ch13_evaluating "13-evaluating.md" ["bound-against-k.svg"]
    ch14_tighter_bounds "14-tighter-bounds.md" []
    ch15_likelihoods "15-likelihoods.md" []
    ch16_anomalies "16-anomalies.md" []
    ch17_looking_inside "17-looking-inside.md" []
    ch18_few_labels "18-few-labels.md" []
    ch19_repair "19-repair.md" []
    ch20_transfer "20-transfer.md" ["transfer.svg"]
    ch21_completing "21-completing.md" []
}
