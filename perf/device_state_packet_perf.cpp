// Framing of one device-state packet: what each costs besides its payload.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "channels/wire/device_state_packet.hpp"

namespace multifd {
namespace {

using Prologue = std::array<std::byte, kDeviceStatePrologueBytes>;

DeviceStateHeader typical_header(std::uint32_t idx) {
    return {.idstr = "0000:3b:00.1/vfio",
            .instance_id = 0,
            .idx = idx,
            .config = false,
            .data_bytes = limits::kPacketDataBytesDefault};
}

void encode_packet(benchmark::State& state) {
    Prologue target;
    std::uint32_t idx = 0;
    for (auto _ : state) {
        encode(typical_header(idx++), target);
        benchmark::DoNotOptimize(target);
    }
    state.SetItemsProcessed(state.iterations());
}

void decode_packet(benchmark::State& state) {
    Prologue source;
    encode(typical_header(7), source);
    for (auto _ : state) {
        benchmark::DoNotOptimize(source);
        auto header = decode_device_state(source);
        benchmark::DoNotOptimize(header);
    }
    state.SetItemsProcessed(state.iterations());
}

BENCHMARK(encode_packet);
BENCHMARK(decode_packet);

}  // namespace
}  // namespace multifd
