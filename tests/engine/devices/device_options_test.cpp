#include "engine/devices/device_options.hpp"

#include <catch2/catch.hpp>

#include "engine/devices/memory_options.hpp"

namespace multifd {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

/// The line that the description is refused with; empty when it is not.
std::string refusal(const std::string& text, Role role = Role::source) {
    try {
        static_cast<void>(make_device(parse_device_spec(text), role));
    } catch (const UsageError& error) {
        return error.what();
    }
    return "";
}

TEST_CASE("a device is written as QEMU writes options", "[device_options]") {
    const DeviceSpec spec = parse_device_spec("memory,idstr=a,,b,size=1GiB,lend,seed=,x==,,=");
    CHECK(spec.kind == "memory");
    CHECK(spec.values ==
          Values{{"idstr", "a,b"}, {"size", "1GiB"}, {"lend", "on"}, {"seed", ""}, {"x", "=,="}});
    CHECK(parse_device_spec("kind=file,path=/x").kind == "file");
    CHECK(parse_device_spec("memory").values.empty());
    CHECK(parse_device_spec("memory,idstr=a,,,size=1").values ==
          Values{{"idstr", "a,"}, {"size", "1"}});
}

TEST_CASE("what is not of that form is refused, quoting it", "[device_options]") {
    for (const char* text :
         {"", ",", "memory,", ",idstr=a", "memory,=1", "idstr=a", "kind=", "memory,idstr=a,"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_device_spec(text), UsageError);
    }
    CHECK(refusal("memory,idstr=a,").find("device \"memory,idstr=a,\": empty option") == 0);
}

TEST_CASE("common keys have their defaults and their bounds", "[device_options]") {
    const DeviceEntry plain = make_device(parse_device_spec("memory,idstr=gpu0"), Role::source);
    CHECK(plain.idstr == "gpu0");
    CHECK(plain.instance_id == 0);
    CHECK(plain.multifd == MultifdProperty::automatic);
    REQUIRE(plain.device);
    CHECK(plain.device->traits().kind == "memory");
    const auto entry = [](const std::string& more) {
        return make_device(parse_device_spec("memory,idstr=g," + more), Role::destination);
    };
    CHECK(entry("instance-id=4294967295").instance_id == 4294967295U);
    CHECK(entry("multifd=on").multifd == MultifdProperty::on);
    CHECK(entry("multifd=off").multifd == MultifdProperty::off);
    CHECK(entry("multifd=auto").multifd == MultifdProperty::automatic);
    CHECK(refusal("memory,idstr=" + std::string(255, 'x')).empty());

    CHECK(refusal("memory") ==
          "device memory: key \"idstr\" is required: the name of the device at both ends");
    CHECK(refusal("memory,idstr=").find("1 to 255 bytes") != std::string::npos);
    CHECK(refusal("memory,idstr=" + std::string(256, 'x')).find("1 to 255 bytes") !=
          std::string::npos);
    CHECK_FALSE(refusal(std::string("memory,idstr=a\0b", 16)).empty());
    CHECK(refusal("memory,idstr=a,instance-id=4294967296") ==
          "device memory \"a\": instance-id=4294967296 is not allowed: 0 to 4294967295");
    CHECK(refusal("memory,idstr=a,multifd=yes") ==
          "device memory \"a\": multifd=yes is not allowed: on, off or auto");
    CHECK(refusal("memory,idstr=a,state=paused") ==
          "device memory \"a\": state=paused is not allowed: running or stop");
}

TEST_CASE("an unknown kind or key is answered with the nearest, a repeated key is refused",
          "[device_options]") {
    CHECK(refusal("memry,idstr=a")
              .find("device kind \"memry\" is unknown; nearest is \"memory\"; allowed: memory, "
                    "file, vfio") == 0);
    CHECK(refusal("memory,idstr=a,sise=1GiB")
              .find("device memory \"a\": unknown key \"sise\" (value \"1GiB\"); nearest is "
                    "\"size\"; allowed: idstr, ") == 0);
    CHECK(refusal("memory,idstr=a,path=/x").find("unknown key \"path\"") != std::string::npos);
    CHECK(refusal("file,idstr=a,size=1").find("unknown key \"size\"") != std::string::npos);
    CHECK(refusal("memory,idstr=a,size=1,idstr=b").find("key \"idstr\" is given twice") !=
          std::string::npos);
}

TEST_CASE("a refusal is one line, whatever the value", "[device_options]") {
    for (const std::string& text :
         {std::string("memory,idstr=a,size=1\n2"), std::string("memory,idstr=a\nb,size=x"),
          std::string("memory,idstr=a,si\x1bze=1")}) {
        const std::string line = refusal(text);
        CHECK_FALSE(line.empty());
        CHECK(line.find_first_of("\n\x1b") == std::string::npos);
    }
}

MemoryOptions options_of(const std::string& text, Role role = Role::source) {
    const DeviceSpec spec = parse_device_spec("memory,idstr=a," + text);
    return read_memory_options(OptionReader(spec, memory_keys()), role);
}

TEST_CASE("a memory device's keys are read with their units", "[memory_options]") {
    const MemoryOptions options = options_of(
        "size=1TiB,seed=72057594037927935,compressible=100,config-size=64,read-rate=500MiB,"
        "write-rate=1GiB/s,precopy=on,dirty-rate=8Mbit/s,p2p=off,reject=on,state=stop,"
        "fail=read:1MiB,hang=config");
    CHECK(options.size == 1ULL << 40U);
    CHECK(options.seed == (1ULL << 56U) - 1);
    CHECK(options.compressible_pct == 100U);
    CHECK(options.config_size == 64U);
    CHECK(options.read_rate == 500U << 20U);
    CHECK(options.write_rate == 1U << 30U);
    CHECK(options.dirty_rate == 1'000'000U);
    CHECK(options.pre_copy);
    CHECK_FALSE(options.p2p);
    CHECK(options.reject);
    CHECK(options.initial_state == DeviceState::stop);
    CHECK(options.faults.size() == 3);
    CHECK(options_of("lend=on").held);
    CHECK_FALSE(options_of("seed=1").held);
    CHECK_FALSE(options_of("seed=1").size);
}

TEST_CASE("values that a memory device cannot have are refused, saying which it can",
          "[memory_options]") {
    struct Case {
        const char* option;
        const char* allowed;
    };
    const auto wrong = GENERATE(values<Case>({
        {"size=1025GiB", "0 to 1TiB (bytes, or a number with KiB"},
        {"size=-1", "0 to 1TiB"},
        {"size=big", "0 to 1TiB"},
        {"seed=72057594037927936", "0 to 72057594037927935"},
        {"seed=0x7", "0 to 72057594037927935"},
        {"compressible=101", "0 to 100"},
        {"compressible=50%", "0 to 100"},
        {"config-size=63", "0, or 64 to 1MiB"},
        {"config-size=1025KiB", "0 to 1MiB"},
        {"read-rate=2TiB", "0 to 1TiB/s"},
        {"write-rate=fast", "0 to 1TiB/s"},
        {"precopy=yes", "on or off"},
        {"p2p=1", "on or off"},
        {"fail=reads", "read[:BYTES]"},
        {"throw=set-state:halt", "set-state[:STATE]"},
        {"dirty-rate=1MiB", "together with precopy=on"},
    }));
    const std::string line = refusal(std::string("memory,idstr=a,") + wrong.option);
    CAPTURE(wrong.option, line);
    CHECK(line.find(std::string("device memory \"a\": ") + wrong.option + " is not allowed: ") ==
          0);
    CHECK(line.find(wrong.allowed) != std::string::npos);
}

TEST_CASE("options that exclude each other are refused, saying why", "[memory_options]") {
    CHECK_THAT(refusal("memory,idstr=a,lend=on,precopy=on"),
               Catch::Contains("lend=on needs precopy=off"));
    CHECK_THAT(refusal("memory,idstr=a,held=on,precopy=on"),
               Catch::Contains("held=on needs precopy=off"));
    CHECK_THAT(refusal("memory,idstr=a,lend=on,held=off"), Catch::Contains("held=off"));
    CHECK_THAT(refusal("memory,idstr=a,lend=on,read-rate=1MiB"), Catch::Contains("0 with lend=on"));
    CHECK_THAT(refusal("memory,idstr=a,lend=on", Role::destination),
               Catch::Contains("\"size\" is required"));
    CHECK_THAT(refusal("memory,idstr=a,config-size=0", Role::destination),
               Catch::Contains("\"size\" is required"));
    CHECK(refusal("memory,idstr=a,lend=on,read-rate=1MiB,size=1MiB", Role::destination).empty());
}

}  // namespace
}  // namespace multifd
