//! The layers: grain, what is read, and what is kept.

use std::sync::Arc;

use datafusion::physical_plan::displayable;
use placido::engine::{Engine, Opening};
use placido_catalog::catalog::{Progress, Refresh};

use super::{number, rows};
use crate::support::{hospital, run, settings};

#[test]
fn all_views_are_planned_and_their_grain_is_unique() {
    run(async {
        for mounted in hospital().await.engine.catalog().mounted() {
            let view = &mounted.view;
            assert_eq!(mounted.broken, None, "{}", view.full_name());
            assert!(!view.grain.is_empty(), "{} has no grain", view.full_name());
            let grain = view.grain.join(", ");
            let repeated = format!(
                "select count(*) from (select {grain} from {} group by {grain} having count(*) > 1) as r",
                view.full_name()
            );
            assert_eq!(number(&repeated).await, 0, "{}", view.full_name());
        }
    });
}

/// Every scan is in gold but those that a later one of the same eye and visit replaces.
#[test]
fn gold_loses_no_scan() {
    run(async {
        let kept = number("select count(*) from gold.eye_features").await;
        let scans =
            "select count(*) from (select distinct exam_id, eye, case when eye is null then scan_id end from bronze.ms39) as s";
        assert_eq!(kept, number(scans).await);
    });
}

#[test]
fn a_query_that_names_one_map_reads_one_map() {
    run(async {
        let sql = "select pachy from silver.map_statistics";
        let plan = hospital().await.engine.session().sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let text = displayable(plan.as_ref()).indent(false).to_string();
        assert!(text.contains("corneal_thickness_um"), "{text}");
        for other in ["sagittal_anterior_mm", "epithelial_thickness_um", "_issues"] {
            assert!(!text.contains(other), "{other} is read too: {text}");
        }
    });
}

#[test]
fn kept_rows_equal_the_view() {
    run(async {
        let fixture = hospital().await;
        let kept = fixture.engine.catalog().mounted().iter().filter(|mounted| mounted.kept.is_some()).count();
        assert_eq!(kept, 2, "gold is kept");
        let live = Engine::over(
            &fixture.settings,
            Some(Arc::new(
                placido_catalog::lake::Lake::open(
                    &fixture.settings.lake_folder(),
                    placido_catalog::identity::IdentityKey::load_or_create(&fixture.settings.identity_file()).unwrap(),
                    fixture.settings.pace(),
                )
                .unwrap(),
            )),
            None,
            Refresh::Never,
            &|_| {},
        )
        .await
        .unwrap();
        let sql = "select exam_id, eye, s_pachy_z80_min, z_post_elev_p60_c12, cv_a1_time, fellow_d_k_ant_d30_k_steep, issues \
                   from gold.eye_features order by exam_id, eye, scan_id";
        let of = |engine: Arc<Engine>| async move {
            let batches = engine.session().sql(sql).await.unwrap().collect().await.unwrap();
            datafusion::arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string()
        };
        assert_eq!(of(Arc::clone(&fixture.engine)).await, of(Arc::new(live)).await);
    });
}

/// A second start finds everything valid; a new file makes gold stale.
#[test]
fn a_second_start_computes_nothing_until_the_lake_changes() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let hospital = placido_catalog::synthetic::Hospital { patients: 1, seed: 3 };
        placido_catalog::synthetic::generate(&data, &hospital, &|_| {}).unwrap();
        let made = std::sync::atomic::AtomicUsize::new(0);
        let open = async || {
            let opening = Opening { refresh: Refresh::Stale, write: true };
            let count = |progress: Progress<'_>| {
                if matches!(progress, Progress::Making(_)) {
                    made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            };
            Engine::open(&settings(data.clone()), opening, &count).await.unwrap();
            made.swap(0, std::sync::atomic::Ordering::SeqCst)
        };
        assert_eq!(open().await, 2);
        assert_eq!(open().await, 0);
        std::fs::write(data.join("lake/note.txt"), "a new file").unwrap();
        assert_eq!(open().await, 2);
    });
}

/// Keratometry of the layers against the radii that the device itself wrote into the preamble.
#[test]
fn keratometry_agrees_with_the_preamble() {
    run(async {
        let rows = rows(
            "select ant_k_flat_d, device_k_flat_d, ant_k_steep_d, device_k_steep_d from silver.keratometry \
             where device_k_flat_d is not null and ant_k_flat_d is not null",
        )
        .await;
        assert!(rows.len() > 1, "no scan with a SimK in its preamble");
        for row in rows {
            let value = |at: usize| row[at].parse::<f64>().unwrap();
            assert!((value(0) - value(1)).abs() < 0.2 && (value(2) - value(3)).abs() < 0.2, "{row:?}");
        }
    });
}
