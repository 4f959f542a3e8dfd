//! The table of images and their labels.

use randlab_store::table;

table! { "labels" "2" "one image in one run" => LabelRow {
    key stage: String, "1", "prepare, pretrain or finetune";
    key run_id: String, "1", "prepare: the data set; training: what the run was told";
    key image_id: i32, "1", "position in the canonical order of the source";
    col split: String, "1", "upstream, downstream or holdout";
    col real: Option<i32>, "1", "class of the source; null if it has none";
    col assigned: Option<i32>, "1", "class trained on; null where nothing was assigned";
    col scheme: String, "1", "real, random10, noisy-symmetric-0.4 and the like";
    col source_image: Option<String>, "1", "file the image was cut from";
    col crop_x: Option<i32>, "pixel", "left edge of the crop in that file";
    col crop_y: Option<i32>, "pixel", "top edge of the crop";
    col crop_side: Option<i32>, "pixel", "side of the crop before reduction";
}}
