//! One listing for a statement, one lake for a transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use placido::engine::Engine;
use placido::server::error::sqlstate;
use placido_catalog::lake::{Pinned, Snapshot};

use super::{engine, exports, one, rows, site};
use crate::support::run;

/// What a transaction does: all its statements see `snapshot`.
fn pin(engine: &Engine, snapshot: &Arc<Snapshot>) -> datafusion::prelude::SessionContext {
    let ctx = engine.session();
    ctx.state_ref().write().config_mut().set_extension(Arc::new(Pinned(Some(Arc::clone(snapshot)))));
    ctx
}

#[test]
fn a_statement_sees_one_listing_in_all_its_scans() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let lake = site(folder.path(), 2).await;
        let engine = engine(folder.path(), false).await;
        let stop = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (stop, lake) = (Arc::clone(&stop), lake.clone());
            move || {
                let mut number = 0;
                while !stop.load(Ordering::SeqCst) {
                    number += 1;
                    std::fs::write(lake.join(format!("note {number}.txt")), "x").unwrap();
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                number
            }
        });
        let ctx = engine.session();
        let mut counts = Vec::new();
        for _ in 0..30 {
            let row =
                &rows(&ctx, "select (select count(*) from raw.files) as named, (select count(*) from system.files) as known")
                    .await[0];
            assert_eq!(row[0], row[1]);
            counts.push(row[0].clone());
        }
        stop.store(true, Ordering::SeqCst);
        assert!(writer.join().unwrap() > 0);
        counts.dedup();
        assert!(counts.len() > 1, "nothing changed while the statements ran");
    });
}

#[test]
fn a_transaction_sees_the_lake_as_it_was_or_fails() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let lake = site(folder.path(), 3).await;
        let engine = engine(folder.path(), false).await;
        let snapshot = engine.lake().unwrap().snapshot().await.unwrap();
        let (pinned, free) = (pin(&engine, &snapshot), engine.session());
        let count = "select count(*) from bronze.ms39";
        let maps = "select map_statistics(corneal_thickness_um, zone_mm => 8) from bronze.ms39";

        std::fs::copy(&exports("ms39").await[4], lake.join("new.csv")).unwrap();
        assert_eq!((one(&pinned, count).await, one(&free, count).await), ("3".into(), "4".into()));
        assert_eq!(one(&pinned, "select count(*) from system.files").await, "3");
        assert_eq!(rows(&pinned, maps).await.len(), 3);

        for change in ["replaced", "deleted"] {
            match change {
                "replaced" => std::fs::copy(&exports("ms39").await[5], lake.join("0.csv")).map(drop).unwrap(),
                _ => std::fs::remove_file(lake.join("0.csv")).unwrap(),
            }
            let error = pinned.sql(maps).await.unwrap().collect().await.unwrap_err();
            assert_eq!(sqlstate(&error).code, "40001", "{change}: {error}");
            // Other statements see what is there now.
            assert!(rows(&free, maps).await.len() >= 3, "{change}");
        }
        // Without the pin the session goes on.
        pinned.state_ref().write().config_mut().set_extension(Arc::new(Pinned(None)));
        assert_eq!(one(&pinned, count).await, "3");
    });
}

/// Between planning and reading, a file becomes another one: the row says so, and the next query reads it.
#[test]
fn a_file_that_is_replaced_under_a_plan_is_an_issue() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let lake = site(folder.path(), 2).await;
        let engine = engine(folder.path(), false).await;
        let ctx = engine.session();
        let sql = "select cardinality(issues), issues from bronze.ms39 where file_id is not null order by 1";
        let plan = ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        std::fs::copy(&exports("ms39").await[5], lake.join("0.csv")).unwrap();
        let batches = datafusion::physical_plan::collect(plan, ctx.task_ctx()).await.unwrap();
        let text = datafusion::arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
        assert!(text.contains("file_unreadable: it changed after it was listed"), "{text}");
        let issues = rows(&ctx, sql).await;
        assert!(issues.len() == 2 && !format!("{issues:?}").contains("file_unreadable"), "{issues:?}");
    });
}
