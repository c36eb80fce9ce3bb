// Any bytes as a hello: what is accepted is within its limits and survives encoding.
#include <variant>

#include "channels/wire/hello.hpp"
#include "channels/wire/hello_agreement.hpp"
#include "channels/wire/limits.hpp"
#include "tests/fuzz/fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace multifd;
    const auto hello = decode_hello(fuzz::bytes_of(data, size));
    if (!hello) return 0;
    fuzz::check(hello->devices.size() <= limits::kDevicesMax);
    fuzz::check(hello->channels <= limits::kChannelsMax);

    const auto wire = encode(*hello);
    if (wire) {
        const auto again = decode_hello(*wire);
        fuzz::check(again.has_value());
        // Estimates and a text of logs may have given way to the size limit; nothing else.
        Hello expected = *hello;
        expected.software = again->software;
        for (std::size_t i = 0; i < again->devices.size(); ++i) {
            if (again->devices[i].expected_bytes == 0) expected.devices[i].expected_bytes = 0;
        }
        fuzz::check(*again == expected);
    }
    const auto agreed = agree(*hello, *hello);
    const auto* agreement = std::get_if<Agreement>(&agreed);
    if (agreement != nullptr) {
        fuzz::check(agreement->devices.size() == hello->devices.size());
        fuzz::check(agreement->channels >= 1 && agreement->channels <= limits::kChannelsMax);
    }
    return 0;
}
