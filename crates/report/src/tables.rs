//! The tables of a page: its points and its verdicts.

use randlab_store::table;

table! { "curves" "1" "one plotted point" => CurveRow {
    key figure: String, "1", "figure of the page";
    key panel: String, "1", "panel of the figure";
    key series: String, "1", "curve in the panel";
    key dataset: String, "1", "source of the images or vectors";
    key x: f64, "by figure", "abscissa";
    col y: f64, "by figure", "centre: the mean over seeds, or the value of one seed";
    col lo: Option<f64>, "by figure", "lower end of the interval; null for a single seed";
    col hi: Option<f64>, "by figure", "upper end";
    col interval: String, "1", "mean-t95, range, quantile-10-90 or none";
    col n_seeds: i32, "1", "seeds behind the point";
    col x_name: String, "1", "title of the abscissa, with its unit";
    col y_name: String, "1", "title of the ordinate, with its unit";
}}

table! { "claims" "2" "one verdict" => ClaimRow {
    key experiment: String, "1", "the experiment that makes the claim";
    key claim_id: String, "1", "number of the claim, with a suffix where one claim has several measures";
    col scale: String, "1", "scale of the runs";
    col dataset: String, "1", "source of the images or vectors";
    col statement: String, "1", "the claim, one sentence";
    col figure: String, "1", "figure of the paper, or own";
    col criterion: String, "1", "the rule it was judged by, fixed beforehand";
    col estimate: Option<f64>, "by claim", "the number judged; null if it could not be formed";
    col ci_lo: Option<f64>, "by claim", "95 % interval, lower end; null for a single number";
    col ci_hi: Option<f64>, "by claim", "upper end";
    col n_seeds: i32, "1", "seeds (or pooled nets) behind it";
    col n_not_converged: i32, "1", "runs behind it that missed their target fit";
    col test: Option<String>, "1", "how the interval was formed";
    col p_value: Option<f64>, "1", "of that test; null if it has none";
    col p_holm: Option<f64>, "1", "p_value after Holm's step-down correction over all measures of the same numbered claim in the experiment; null where p_value is";
    col verdict: String, "1", "holds, fails or undecided";
    col reason: Option<String>, "1", "why undecided";
    col paper_value: Option<f64>, "by claim", "null if the paper gives none";
    col command: String, "1", "make line that reproduces the row; a dataset of one's own is named without its folder";
}}
