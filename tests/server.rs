//! A whole shard on both real drivers: HTTP time-outs and limits, threads, draining, embedding.
//!
//! What can be seen without a kernel is tested in the simulator; here is what needs one.

#[path = "server/http.rs"]
mod http;
#[path = "server/life.rs"]
mod life;
#[path = "server/options.rs"]
mod options;
#[path = "server/rig.rs"]
mod rig;

/// Mounts each test on each driver.
macro_rules! mount {
    ($($driver:ident: $choice:expr => { $($file:ident::$test:ident),* $(,)? })*) => {$(
        mod $driver {
            $(
                #[test]
                fn $test() {
                    crate::$file::$test($choice);
                }
            )*
        }
    )*};
}

macro_rules! suite {
    ($($driver:ident: $choice:expr),*) => {
        mount! {$(
            $driver: $choice => {
                http::a_slow_head_gets_408,
                http::a_slow_body_gets_408,
                http::a_silent_socket_is_closed,
                http::a_refused_client_that_stays_is_cut,
                http::a_half_closed_client_is_answered,
                http::a_thousand_pipelined_requests_are_answered_in_order,
                http::answers_that_nobody_reads_stop_the_reading,
                http::one_socket_too_many_is_reset,
                http::one_connection_too_many_gets_503,
                http::a_panicking_handler_is_a_500,
                http::files_are_served_with_validators,
                http::no_path_leads_out_of_the_files,
                life::a_hub_answers,
                life::work_is_posted_from_another_thread,
                life::work_that_panics_disturbs_nobody,
                life::a_drain_says_come_back,
                life::a_drain_cuts_who_stays,
                life::a_shard_lives_in_a_foreign_epoll,
                life::two_shards_live_in_one_thread,
                life::timers_tick_in_real_time,
            }
        )*}
    };
}

suite!(epoll: tickhub::DriverChoice::Epoll, uring: tickhub::DriverChoice::Uring);
