// Any bytes as messages of the return path or the control connection, and as their bodies.
#include "channels/wire/limits.hpp"
#include "channels/wire/message_bodies.hpp"
#include "channels/wire/return_path.hpp"
#include "channels/wire/transfer_report.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

using namespace multifd;

using Parse = Result<ParsedMessage> (*)(std::span<const std::byte>) noexcept;

void read_body(const Message& message) {
    if (const auto error = decode_peer_error(message.data)) {
        fuzz::check(error->message.size() <= limits::kErrorTextBytesMax);
        const auto wire = encode(*error);
        fuzz::check(wire.size() <= kPeerErrorBytesMax);
        fuzz::check(decode_peer_error(wire).has_value());
    }
    if (const auto table = decode_verify(message.data)) {
        const auto bodies = encode_verify(table->entries);
        fuzz::check(bodies.size() == 1);
        fuzz::check(decode_verify(bodies.front())->entries == table->entries);
    }
    if (const auto report = decode_transfer_report(message.data)) {
        const auto wire = encode(*report);
        fuzz::check(wire.size() <= kTransferReportBytesMax);
        fuzz::check(decode_transfer_report(wire).value() == *report);
    }
    (void)decode_heartbeat(message.data);
    (void)decode_u32(message.data);
}

void read_all(std::span<const std::byte> bytes, Parse parse) {
    while (true) {
        const auto parsed = parse(bytes);
        if (!parsed) return;
        if (!parsed->message) {
            fuzz::check(parsed->needed > bytes.size());
            return;
        }
        fuzz::check(parsed->consumed >= kMessageHeadBytes && parsed->consumed <= bytes.size());
        read_body(*parsed->message);
        bytes = bytes.subspan(parsed->consumed);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = fuzz::bytes_of(data, size);
    read_all(bytes, parse_return_path);
    read_all(bytes, parse_control);
    read_body({.type = 0, .data = bytes});
    return 0;
}
