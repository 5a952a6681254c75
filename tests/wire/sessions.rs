//! Sessions that see and end each other: `pg_stat_activity`, `pg_cancel_backend`, `pg_terminate_backend`.

use super::access::{refused, run, server};
use super::limits::ENDLESS;
use super::{TestServer, code, eventually, text, texts};

async fn pid(client: &tokio_postgres::Client) -> String {
    text(client, "select pg_backend_pid()").await.unwrap()
}

#[test]
fn a_statement_and_a_session_are_ended_by_another() {
    let server = TestServer::start();
    server.runtime.block_on(async {
        let (one, other) = (server.client().await, server.client().await);
        let of_one = pid(&one).await;
        let working = tokio::spawn(async move { (code(&one.batch_execute(ENDLESS).await.unwrap_err()), one) });
        let seen = format!("select state, query, wait_event, query_start >= backend_start, xact_start is null from pg_stat_activity where pid = {of_one}");
        let active = [Some("active".to_owned()), Some(ENDLESS.to_owned()), None, Some("t".to_owned()), Some("f".to_owned())];
        let mut shown = Vec::new();
        for _ in 0..500 {
            shown = texts(&other, &seen).await.remove(0);
            if shown == active {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(shown, active);
        assert_eq!(text(&other, &format!("select pg_cancel_backend({of_one})")).await.as_deref(), Some("t"));
        let (ended, one) = working.await.unwrap();
        assert_eq!(ended, "57014");
        // It goes on with the next, and waits for it as one that is idle.
        one.batch_execute("begin; select 1").await.unwrap();
        let idle = texts(&other, &seen).await.remove(0);
        assert_eq!(idle[0].as_deref(), Some("idle in transaction"));
        assert_eq!(idle[2].as_deref(), Some("ClientRead"));
        // Nobody is cancelled who does nothing, and nobody is there of whom nothing is known.
        assert_eq!(text(&other, &format!("select pg_cancel_backend({of_one})")).await.as_deref(), Some("t"));
        assert_eq!(text(&one, "select 2").await.as_deref(), Some("2"));
        assert_eq!(text(&other, "select pg_cancel_backend(123456)").await.as_deref(), Some("f"));
        assert_eq!(text(&other, &format!("select pg_terminate_backend(pid) from pg_stat_activity where pid = {of_one}")).await.as_deref(), Some("t"));
        eventually("the session has ended", || one.is_closed()).await;
        assert_eq!(texts(&other, &seen).await.len(), 0);
    });
}

#[test]
fn what_others_do_is_not_shown_and_not_stopped_without_the_right() {
    let server = server();
    run(&server, |anna, root| async move {
        let (of_anna, of_root) = (pid(&anna).await, pid(&root).await);
        text(&root, "select 'a patient'").await;
        let seen = |pid: &str| format!("select usename, query, state, client_addr from pg_stat_activity where pid = {pid}");
        let hidden = texts(&anna, &seen(&of_root)).await.remove(0);
        assert_eq!(hidden, [Some("root".to_owned()), Some("<insufficient privilege>".to_owned()), None, None]);
        let open = texts(&root, &seen(&of_anna)).await.remove(0);
        assert_eq!(open[0].as_deref(), Some("anna"));
        assert!(open[1].as_deref().is_some_and(|query| query.contains("pg_stat_activity")), "{open:?}");
        for function in ["pg_cancel_backend", "pg_terminate_backend"] {
            let (code, message) = refused(&anna, &format!("select {function}({of_root})")).await;
            assert_eq!(code, "42501");
            assert!(message.starts_with("must be a superuser to "), "{message}");
        }
        assert_eq!(text(&root, &format!("select pg_cancel_backend({of_anna})")).await.as_deref(), Some("t"));
        assert_eq!(text(&anna, "select 1").await.as_deref(), Some("1"));
    });
}
