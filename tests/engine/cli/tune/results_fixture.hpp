// Results of a tuning that nobody made.
#pragma once

#include "engine/cli/tune/results.hpp"

namespace multifd::tuning {

/// Figures of a run with that downtime; every figure is there.
Figures made_up_figures(double downtime_us, double cpu_us = 1e6);

/// Two values for channels and two for packet size, three rounds; case 3 always fails with a
/// message full of signs that mean something to CSV and HTML. Case 2 is the best.
Results made_up_results();

/// The same matrix where nothing has completed.
Results failed_results();

/// A document as --samples writes it: two devices, two channels, half a second.
std::string made_up_samples();

}  // namespace multifd::tuning
