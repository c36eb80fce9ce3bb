// Reassembly of one packet: admit, received, next, loaded, in arrival orders that channels produce.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "reassembly/reassembly.hpp"

namespace multifd {
namespace {

constexpr std::size_t kBufferBytes = 1U << 20U;
constexpr std::uint32_t kBuffers = 256;
constexpr std::uint32_t kChannels = 4;

Claim claim_of(Reassembly& reassembly, std::uint32_t device, std::uint32_t idx) {
    const Arrival arrival{DeviceId{device}, idx, kBufferBytes, false};
    return **reassembly.admit(ChannelId{static_cast<std::uint8_t>(idx % kChannels)}, arrival);
}

/// Packets arrive in groups of range(0), each group backwards, and are loaded as soon as they may
/// be.
void packets_in_reversed_groups(benchmark::State& state) {
    const auto group = static_cast<std::uint32_t>(state.range(0));
    Reassembly reassembly(
        {.buffer_bytes = kBufferBytes, .buffers = kBuffers, .channels = kChannels}, 1);
    const DeviceId device{0};
    std::uint32_t first = 0;
    for (auto _ : state) {
        for (std::uint32_t i = group; i-- > 0;) {
            const Claim claim = claim_of(reassembly, 0, first + i);
            benchmark::DoNotOptimize(reassembly.received(claim, 0));
        }
        while (reassembly.next(device)) reassembly.loaded(device);
        first += group;
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

/// One packet of each of range(0) devices in turn.
void packets_of_many_devices(benchmark::State& state) {
    const auto devices = static_cast<std::uint32_t>(state.range(0));
    Reassembly reassembly(
        {.buffer_bytes = kBufferBytes, .buffers = kBuffers, .channels = kChannels}, devices);
    std::uint32_t idx = 0;
    for (auto _ : state) {
        for (std::uint32_t device = 0; device < devices; ++device) {
            const Claim claim = claim_of(reassembly, device, idx);
            benchmark::DoNotOptimize(reassembly.received(claim, 0));
            benchmark::DoNotOptimize(reassembly.next(DeviceId{device}));
            reassembly.loaded(DeviceId{device});
        }
        ++idx;
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

BENCHMARK(packets_in_reversed_groups)->Arg(1)->Arg(4)->Arg(64);
BENCHMARK(packets_of_many_devices)->Arg(1)->Arg(8)->Arg(64);

}  // namespace
}  // namespace multifd
