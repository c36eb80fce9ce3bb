#include "engine/devices/memory_content.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace multifd {
namespace {

// Little-endian u64 words; the rest of the minimum is reserved and filled like all that follows.
//    0  magic "MFDCONF1"    8  seed    16  percent    24  bytes    32  writes    40  config bytes
using Head = std::array<std::uint64_t, 6>;
constexpr std::uint64_t kMagic = 0x31464e4f4344464d;
static_assert(sizeof(Head) <= kMemoryConfigBytesMin);

// No page of a state has this generation before 16 million rounds of writing.
constexpr std::uint64_t kFillGeneration = (std::uint64_t{1} << 24U) - 1;

}  // namespace

std::vector<std::byte> make_memory_config(const MemoryContent& content, std::size_t bytes) {
    std::vector<std::byte> target(bytes);
    if (bytes < kMemoryConfigBytesMin) return target;
    // The identity that fills it mixes in what the head says, so that a head with a wrong number in
    // it does not fit what follows.
    const std::uint64_t mixed =
        (content.identity.seed * 31 + content.bytes) * 31 + content.writes * 31 + bytes;
    const StateContent filler({mixed % kContentSeedMax, 0});
    filler.fill(target, {0, kFillGeneration});
    const Head head{kMagic,        content.identity.seed, content.identity.compressible_pct,
                    content.bytes, content.writes,        bytes};
    std::memcpy(target.data(), head.data(), sizeof(head));
    return target;
}

std::optional<MemoryContent> read_memory_config(std::span<const std::byte> source) {
    if (source.size() < kMemoryConfigBytesMin) return std::nullopt;
    Head head{};
    std::memcpy(head.data(), source.data(), sizeof(head));
    const MemoryContent content{{head[1], head[2]}, head[3], head[4]};
    if (content.identity.seed > kContentSeedMax || content.identity.compressible_pct > 100 ||
        content.bytes > kContentBytesMax) {
        return std::nullopt;
    }
    if (!std::ranges::equal(make_memory_config(content, source.size()), source)) {
        return std::nullopt;
    }
    return content;
}

}  // namespace multifd
