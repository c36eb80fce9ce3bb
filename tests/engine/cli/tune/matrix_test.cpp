#include "engine/cli/tune/matrix.hpp"

#include <catch2/catch.hpp>

#include "engine/cli/command_options.hpp"

namespace multifd::tuning {
namespace {

const Dimension& dimension(std::string_view name) {
    for (const Dimension& candidate : dimensions()) {
        if (candidate.name == name) return candidate;
    }
    throw std::logic_error("no such dimension");
}

std::string refusal(std::string_view name, std::string_view list) {
    try {
        read_axis(dimension(name), list);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "not refused";
}

std::vector<std::string> texts(const Axis& axis) {
    std::vector<std::string> result;
    for (const DimensionValue& value : axis.values) result.push_back(value.text);
    return result;
}

}  // namespace

TEST_CASE("a matrix has every combination, the first axis slowest", "[tune]") {
    const Matrix matrix = make_matrix({read_axis(dimension("channels"), "1,4"),
                                       read_axis(dimension("packet-size"), "64KiB,1MiB,4MiB")});
    REQUIRE(matrix.cases.size() == 6);
    CHECK(matrix.label(0) == "channels 1, packet-size 64KiB");
    CHECK(matrix.label(2) == "channels 1, packet-size 4MiB");
    CHECK(matrix.label(5) == "channels 4, packet-size 4MiB");
    CHECK(matrix.words(4) ==
          std::vector<std::string>{"--multifd-channels", "4", "--packet-size", "1MiB"});
}

TEST_CASE("a list keeps the user's order and words", "[tune]") {
    CHECK(texts(read_axis(dimension("channels"), "8,1,2")) ==
          std::vector<std::string>{"8", "1", "2"});
    const Axis sizes = read_axis(dimension("packet-size"), "1MiB,64KiB");
    CHECK(std::get<std::uint64_t>(sizes.values[1].value) == 65536);
}

TEST_CASE("a list is refused for what send would refuse", "[tune]") {
    struct Wrong {
        const char* name;
        const char* list;
        const char* mentions;
    };
    const auto wrong = GENERATE(values<Wrong>({
        {"channels", "1,x", "x"},
        {"channels", "1,,2", "empty"},
        {"channels", "", "empty"},
        {"channels", "1,", "empty"},
        {"channels", "0", "1 to 255"},
        {"channels", "256", "255"},
        {"channels", "2,2", "twice"},
        {"packet-size", "1MiB,1024KiB", "twice"},
        {"packet-size", "5000", "packet size"},
        {"verify", "on,maybe", "maybe"},
        {"compression", "none,lz4", "lz4"},
        {"zstd-level", "99", "99"},
    }));
    CAPTURE(wrong.name, wrong.list);
    const std::string said = refusal(wrong.name, wrong.list);
    CHECK(said.find(wrong.mentions) != std::string::npos);
    CHECK(said.starts_with("--" + std::string(wrong.name)));
}

TEST_CASE("more combinations than anyone would wait for are refused", "[tune]") {
    std::string many = "1";
    for (int value = 2; value <= 255; ++value) many += "," + std::to_string(value);
    const Axis channels = read_axis(dimension("channels"), many);
    const Axis sizes = read_axis(dimension("packet-size"), "4KiB,8KiB,16KiB,32KiB,64KiB");
    CHECK_THROWS_AS(make_matrix({channels, sizes}), std::invalid_argument);
    CHECK(make_matrix({channels}).cases.size() == 255);
}

TEST_CASE("every dimension has a list of tune's, an option of send's and values it takes",
          "[tune]") {
    for (const Dimension& each : dimensions()) {
        CAPTURE(each.name);
        const CommandOption* list = find_option(Subcommand::tune, each.name);
        REQUIRE(list != nullptr);
        CHECK(list->placeholder == "LIST");
        CHECK(find_option(Subcommand::send, each.option) != nullptr);
        CommandSettings settings;
        list->apply(settings, "a,b");
        CHECK(settings.tune.lists.at(std::string(each.name)) == "a,b");
        if (!each.default_values.empty()) CHECK_NOTHROW(read_axis(each, each.default_values));
    }
    for (const CommandOption& option : command_options()) {
        if (!option.of(Subcommand::tune) || option.placeholder != "LIST") continue;
        CHECK_NOTHROW(dimension(option.name));
    }
}

}  // namespace multifd::tuning
