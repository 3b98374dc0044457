//! The driver contract (`tickhub::io`), checked for every driver by the same tests.
//!
//! `drivers/rig.rs` drives a driver through the trait alone and checks the contract with every
//! completion it hears; the tests in the other files lead it into each situation. The other end of
//! a connection is a real `TcpStream`, or the simulator's.

#[path = "drivers/drive.rs"]
mod drive;
#[path = "drivers/ends.rs"]
mod ends;
#[path = "drivers/rig.rs"]
mod rig;
#[path = "drivers/simulated.rs"]
mod simulated;
#[path = "drivers/traffic.rs"]
mod traffic;

/// Mounts every test of the suite on one kind of ground.
macro_rules! mount {
    ($ground:ident: $($file:ident::{$($test:ident),* $(,)?}),* $(,)?) => {
        $($(
            #[test]
            fn $test() {
                // A driver that cannot be had here is a check that could not run: a failure.
                let ground = <crate::rig::$ground as crate::rig::Ground>::open()
                    .expect("the driver can be opened");
                crate::$file::$test(ground);
            }
        )*)*
    };
}

macro_rules! suite {
    ($($module:ident on $ground:ident),* $(,)?) => {
        $(mod $module {
            mount! { $ground:
                traffic::{
                    echoes_of_many_sizes,
                    a_slow_reader_gets_everything,
                    two_hundred_sockets_at_once,
                    many_sends_in_one_submit,
                    order_holds_within_a_socket,
                    an_empty_batch_comes_back,
                    pause_and_resume_lose_nothing,
                    pausing_back_and_forth_loses_nothing,
                    more_than_the_receive_buffers_hold,
                    a_flood_starves_nobody,
                    what_is_left_makes_the_next_reap_return,
                    lent_bytes_may_be_written,
                },
                ends::{
                    a_half_closed_client_is_answered,
                    a_reset_is_a_loss,
                    a_blocked_send_comes_back_before_closed,
                    a_blocked_send_comes_back_when_the_client_resets,
                    close_is_seen_as_an_end,
                    close_with_reset_is_seen_as_a_reset,
                    after_shutdown_the_client_is_read,
                    shutdown_waits_for_the_batch,
                    a_send_too_late_comes_back,
                    stale_keys_do_nothing,
                    nothing_is_told_between_close_and_closed,
                    detached_and_adopted,
                    detaching_takes_the_batch_out,
                    detaching_a_lost_socket_closes_it,
                    dropping_a_descriptor_ends_the_connection,
                    adopted_sockets_come_first_and_in_order,
                    stop_accepting_refuses_newcomers_only,
                    dropping_a_driver_with_everything_in_flight,
                },
                drive::{
                    a_waker_ends_a_wait,
                    a_waker_rung_before_the_wait,
                    a_waker_wakes_again_and_again,
                    a_zero_wait_never_blocks,
                    a_wait_ends_in_time,
                    pollable_tells_of_everything,
                    pollable_is_quiet_when_nothing_is_there,
                    flush_sends,
                    two_drivers_in_one_thread,
                    newcomers_come_from_every_door,
                    failing_accepts_do_not_spin,
                },
            }
        })*
    };
}

suite! { epoll on Epoll, uring on Uring, sim on Sim }
