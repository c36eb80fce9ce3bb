// What is checked: one function for each item.
#pragma once

#include "engine/conformance/bench.hpp"

namespace multifd {

// Each returns when the devices did what they must, and throws Nonconformity, NotApplicable or
// CheckStopped.

// States.
void check_initial_state(Bench& bench);
void check_reset(Bench& bench);
void check_transitions(Bench& bench);
void check_forbidden_transitions(Bench& bench);

// Saving.
void check_read_states(Bench& bench);
void check_write_states(Bench& bench);
void check_stream_end(Bench& bench);
void check_new_stream(Bench& bench);
void check_sizes(Bench& bench);
void check_cancelled_save(Bench& bench);
void check_interrupted_save(Bench& bench);

// Loading.
void check_round_trip(Bench& bench);
void check_odd_sizes(Bench& bench);
void check_config(Bench& bench);
void check_lent_memory(Bench& bench);
void check_abandoned_resume(Bench& bench);
void check_truncated_state(Bench& bench);
void check_interrupted_load(Bench& bench);

// While it runs.
void check_pre_copy_sizes(Bench& bench);
void check_pre_copy(Bench& bench);
void check_cancelled_pre_copy(Bench& bench);
void check_dma_logging(Bench& bench);

}  // namespace multifd
