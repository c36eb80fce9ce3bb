// The bottleneck of a run, from its measured parts, by rules that stand here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cli/tune/figures.hpp"

namespace multifd::tuning {

/// What held a run up. The first rule that holds, in this order, names it; `transfer` and
/// `downtime` are the figures of that name, a share is a part of one of them.
///
///     fixed_cost      stop, verify and commit take half of the downtime or more, validation
///                     left out
///     processors      of a host, the processes there use 90% of all its cores over the transfer:
///                     of both ends together when both are here, also where --to names loopback or
///                     a UNIX socket; of one end each when the destination is elsewhere
///     device_write    the slowest device at the destination is in write() for 70% of the transfer
///     device_read     the slowest device at the source is in read() for 70%
///     channel_cpu     the busiest channel thread of either end has computed for 75%
///     reorder_wait    a device waits for its next packet for half of the transfer, while 90% of
///                     the memory for packets out of turn is full
///     network         the busiest channel is in send calls for half of the transfer: what none of
///                     the rules above explains, the connection must
///     destination     it does not tell its parts, and for half of the transfer everything has been
///                     sent and it still loads
///     validation      the destination's devices take half of the downtime or more to accept their
///                     state; last, because the synthetic ones check every byte
///     unclear         none of these
enum class Bottleneck {
    fixed_cost,
    processors,
    device_write,
    device_read,
    channel_cpu,
    reorder_wait,
    network,
    destination,
    validation,
    unclear,
};
/// "fixed-cost", "device-read", ...: as results name them.
std::string_view name_of(Bottleneck bottleneck) noexcept;

/// What the rules need besides the figures.
struct RunContext {
    std::uint32_t cores = 1;     ///< Of this host.
    bool both_ends_here = true;  ///< They share its cores.
};

/// A part of a whole, for the rules and for the page: 0 to 1, or more where clocks disagree.
struct Share {
    std::string_view name;  ///< "write", "channel threads", ...; a literal.
    double part = 0;
};

struct Verdict {
    Bottleneck bottleneck = Bottleneck::unclear;
    std::string sentence;       ///< One, with the numbers that decided.
    std::vector<Share> shares;  ///< All that could be computed.
};

/// Of a run with a downtime above zero.
Verdict judge(const Figures& figures, const RunContext& context);

}  // namespace multifd::tuning
