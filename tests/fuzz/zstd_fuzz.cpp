// Any bytes as a packet's compressed data. The first bytes choose the declared size and how the
// rest arrives; however it does, the outcome is the same, and nothing is written beyond the size.
#include <algorithm>
#include <array>
#include <vector>

#include "channels/codec/zstd_compressor.hpp"
#include "channels/codec/zstd_decompressor.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

using namespace multifd;

constexpr std::size_t kPacketBytesMax = 65536;
constexpr std::byte kUntouched{0xee};

ErrorCode unpack(ZstdDecompressor& decompressor, std::span<const std::byte> frame,
                 std::span<std::byte> target, std::size_t piece_bytes) {
    decompressor.begin(target);
    while (!frame.empty()) {
        const auto piece = frame.first(std::min(piece_bytes, frame.size()));
        if (const auto added = decompressor.add(piece); !added) return added.error();
        frame = frame.subspan(piece.size());
    }
    const auto finished = decompressor.finish();
    return finished ? ErrorCode() : finished.error();
}

/// What was accepted is what its own compression comes back to.
void check_state(std::span<const std::byte> state, ZstdDecompressor& decompressor) {
    static ZstdCompressor compressor(1, kPacketBytesMax);
    if (state.empty()) return;
    std::vector<std::byte> frame(state.size() + 1024);
    const auto length = compressor.compress(state, frame);
    fuzz::check(length.has_value());
    std::vector<std::byte> again(state.size());
    fuzz::check(!unpack(decompressor, std::span(frame).first(*length), again, frame.size()));
    fuzz::check(std::ranges::equal(again, state));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static ZstdDecompressor decompressor(kPacketBytesMax);
    if (size < 3) return 0;
    const std::size_t declared = data[0] | std::size_t{data[1]} << 8U;
    const std::size_t piece_bytes = std::size_t{data[2]} + 1;
    const auto frame = fuzz::bytes_of(data + 3, size - 3);
    std::vector<std::byte> whole(declared + 1, kUntouched);
    std::vector<std::byte> pieces(declared + 1, kUntouched);
    const auto place = [declared](std::vector<std::byte>& bytes) {
        return std::span(bytes).first(declared);
    };
    const auto outcome = unpack(decompressor, frame, place(whole), frame.size() + 1);
    fuzz::check(!outcome || outcome.category() == multifd_category());
    fuzz::check(whole.back() == kUntouched);
    const auto in_pieces = unpack(decompressor, frame, place(pieces), piece_bytes);
    fuzz::check(pieces.back() == kUntouched);
    // Which error comes first may depend on the pieces; whether there is one does not.
    fuzz::check(!outcome == !in_pieces);
    if (outcome) return 0;
    fuzz::check(std::ranges::equal(whole, pieces));
    check_state(place(whole), decompressor);
    return 0;
}
