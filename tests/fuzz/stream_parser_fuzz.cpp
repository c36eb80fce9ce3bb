// Any bytes as a main channel. The first byte chooses the options and how the bytes arrive; however
// they do, the outcome is the same.
#include <algorithm>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "channels/wire/recording.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

using namespace multifd;

/// Of names that begin with 'g' and 'n' devices, with 'h' hosts.
class FirstLetter final : public SectionClassifier {
  public:
    [[nodiscard]] SectionKind kind_of(std::string_view idstr,
                                      std::uint32_t /*instance_id*/) const noexcept override {
        if (idstr.starts_with('g') || idstr.starts_with('n')) return SectionKind::device;
        if (idstr.starts_with('h') || idstr.starts_with('c')) return SectionKind::host;
        return idstr == "ram" ? SectionKind::ram : SectionKind::foreign;
    }
};

struct Outcome {
    std::vector<std::size_t> events;  ///< Kind and length of each.
    ErrorCode error;
    bool operator==(const Outcome&) const = default;
};

std::uint64_t raw_bytes(const StreamEvent& event) {
    if (const auto* data = std::get_if<DeviceData>(&event)) return data->bytes;
    if (const auto* config = std::get_if<SizedConfig>(&event)) return config->bytes;
    if (const auto* description = std::get_if<VmDescription>(&event)) return description->bytes;
    return 0;
}

/// Shows the parser `step` bytes more whenever it asks; each view is a block of its own.
Outcome receive(std::span<const std::byte> stream, ParserOptions options, std::size_t step) {
    const FirstLetter classifier;
    StreamParser parser(classifier, options);
    Outcome outcome;
    std::size_t position = 0;
    std::size_t visible_end = std::min(step, stream.size());
    while (true) {
        const auto visible = stream.subspan(position, visible_end - position);
        const auto block = std::make_unique<std::byte[]>(visible.size());
        std::ranges::copy(visible, block.get());
        const auto parsed = parser.parse({block.get(), visible.size()});
        if (!parsed) {
            outcome.error = parsed.error();
            fuzz::check(outcome.error.category() == multifd_category());
            fuzz::check(outcome.error != Errc::internal_error);
            return outcome;
        }
        if (!parsed->event) {
            fuzz::check(parsed->needed > visible.size() && parsed->needed <= kVisibleBytesMax);
            if (visible_end == stream.size()) return outcome;
            visible_end += std::min(step, stream.size() - visible_end);
            continue;
        }
        fuzz::check(parsed->consumed > 0 && parsed->consumed <= visible.size());
        outcome.events.push_back(parsed->event->index());
        outcome.events.push_back(parsed->consumed);
        position += parsed->consumed;
        const auto raw = raw_bytes(*parsed->event);
        if (raw > stream.size() - position) return outcome;
        position += static_cast<std::size_t>(raw);
        visible_end = std::max(visible_end, position);
    }
}

void read_recording(std::span<const std::byte> bytes) {
    MainStreamReader reader(bytes);
    std::size_t at = 0;
    while (true) {
        const auto next = reader.next();
        if (!next || !*next) return;
        fuzz::check((*next)->offset == at && (*next)->bytes > 0);
        at += (*next)->bytes;
        fuzz::check(at <= bytes.size());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0 || size > 4096) return 0;
    const auto bytes = fuzz::bytes_of(data, size).subspan(1);
    const ParserOptions options{.extensions = (data[0] & 1U) == 0,
                                .recording = (data[0] & 2U) != 0};
    const std::size_t step = 1 + (data[0] >> 2U);
    fuzz::check(receive(bytes, options, bytes.size()) == receive(bytes, options, step));
    read_recording(bytes);
    return 0;
}
