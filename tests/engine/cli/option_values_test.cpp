#include "engine/cli/option_values.hpp"

#include <catch2/catch.hpp>

#include "engine/devices/device_options.hpp"

namespace multifd {
namespace {

template <class Read>
std::string refusal(Read read, std::string_view text) {
    try {
        static_cast<void>(read(text));
    } catch (const UsageError& error) {
        return error.what();
    }
    return "not refused";
}

}  // namespace

TEST_CASE("values are read with their units", "[cli]") {
    using namespace std::chrono_literals;
    CHECK(read_packet_size("64KiB") == 65536);
    CHECK(read_packet_size("16M") == 16U << 20U);
    CHECK(read_queued_bytes("1GiB") == 1U << 30U);
    CHECK(read_time("300") == 300ms);
    CHECK(read_time("0") == 0ms);
    CHECK(read_timeout("2s") == 2000ms);
    CHECK(read_timeout("5000us") == 5ms);
    CHECK(read_rate("10Gbit/s") == 1'250'000'000);
    CHECK(read_rate("500MiB/s") == 500U << 20U);
    CHECK(read_rate("1000") == 1000);
    CHECK(read_on_off("on"));
    CHECK_FALSE(read_on_off("off"));
    CHECK(read_channels("0") == 0);
    CHECK(read_channels("255") == 255);
    CHECK(read_peer("qemu") == Peer::qemu);
    CHECK(read_on_unknown_owner("exit") == OnUnknownOwner::exit);
    CHECK(read_interface("v1") == vfio_user::Interface::v1);
    CHECK(read_interface("v2") == vfio_user::Interface::v2);
    CHECK(read_role("source") == Role::source);
    CHECK(read_role("destination") == Role::destination);
    CHECK(read_compression("none") == MultifdCompression::none);
    CHECK(read_compression("zstd") == MultifdCompression::zstd);
    CHECK(read_compression("auto") == MultifdCompression::automatic);
    CHECK(to_string(MultifdCompression::automatic) == "auto");
    CHECK(read_zstd_level("0") == 0);
    CHECK(read_zstd_level("20") == 20);
    CHECK(read_log_level("warning") == LogChoice::warning);
    CHECK(read_address("tcp:[::1]:4444") == "tcp:[::1]:4444");
}

TEST_CASE("values out of their range are refused with what is allowed", "[cli]") {
    CHECK_THAT(refusal(read_packet_size, "4095"), Catch::Contains("4KiB to 16MiB"));
    CHECK_THAT(refusal(read_packet_size, "2KiB"), Catch::Contains("4KiB to 16MiB"));
    CHECK_THAT(refusal(read_packet_size, "32MiB"), Catch::Contains("4KiB to 16MiB"));
    CHECK_THAT(refusal(read_packet_size, "5000"), Catch::Contains("whole pages"));
    CHECK_THAT(refusal(read_packet_size, "1GB"), Catch::Contains("is not a size"));
    CHECK_THAT(refusal(read_queued_bytes, "4095"), Catch::Contains("below one packet"));
    CHECK_THAT(refusal(read_rate, "10Gbps"), Catch::Contains("is not a rate: give bytes per sec"));
    CHECK_THAT(refusal(read_rate, "-1"), Catch::Contains("is not a rate"));
    CHECK_THAT(refusal(read_time, "5h"), Catch::Contains("is not a time"));
    CHECK_THAT(refusal(read_time, "1us"), Catch::Contains("finer"));
    CHECK_THAT(refusal(read_time, "9000000000s"), Catch::Contains("century"));
    CHECK_THAT(refusal(read_timeout, "0"), Catch::Contains("at least 1ms"));
    CHECK_THAT(refusal(read_channels, "256"), Catch::Contains("1 to 255"));
    CHECK_THAT(refusal(read_channels, "-1"), Catch::Contains("1 to 255"));
    CHECK_THAT(refusal(read_on_off, "yes"), Catch::Contains("on or off"));
    CHECK_THAT(refusal(read_submission_order, "x"), Catch::Contains("behind or arrival"));
    CHECK_THAT(refusal(read_compression, "zlib"), Catch::Contains("none, zstd or auto"));
    CHECK_THAT(refusal(read_compression, "zst"), Catch::Contains("did you mean zstd?"));
    CHECK_THAT(refusal(read_zstd_level, "21"), Catch::Contains("0 to 20"));
    CHECK_THAT(refusal(read_zstd_level, "-1"), Catch::Contains("0 to 20"));
    CHECK_THAT(refusal(read_zstd_level, "fast"), Catch::Contains("0 to 20"));
    CHECK_THAT(refusal(read_peer, "qmeu"), Catch::Contains("did you mean qemu?"));
    CHECK_THAT(refusal(read_log_level, "inof"), Catch::Contains("did you mean info?"));
    CHECK_THAT(refusal(read_address, "nowhere"), Catch::Contains("tcp:HOST:PORT"));
    CHECK_THAT(refusal(read_not_empty, ""), Catch::Contains("empty"));
    CHECK_THAT(refusal(read_machine, std::string(256, 'm')), Catch::Contains("255"));
}

TEST_CASE("a UUID reads with and without dashes, and prints as it was", "[cli]") {
    constexpr std::string_view kText = "00112233-4455-6677-8899-aabbccddeeff";
    const auto uuid = read_uuid(kText);
    CHECK(std::to_integer<int>(uuid[1]) == 0x11);
    CHECK(std::to_integer<int>(uuid[15]) == 0xff);
    CHECK(read_uuid("00112233445566778899AABBCCDDEEFF") == uuid);
    CHECK(format_uuid(uuid) == kText);
    for (const auto* wrong :
         {"", "0011", "00112233-4455-6677-8899-aabbccddeefg",
          "0011-22334455-6677-8899-aabbccddeeff", "0x112233445566778899aabbccddee"}) {
        CAPTURE(wrong);
        CHECK_THAT(refusal(read_uuid, wrong), Catch::Contains("UUID"));
    }
}

}  // namespace multifd
