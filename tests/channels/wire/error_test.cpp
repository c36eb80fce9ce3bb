#include "channels/wire/error.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string>

using namespace multifd;

TEST_CASE("every error has a name of its own, a text and an exit code", "[wire]") {
    std::set<std::string> names;
    for (int value = 1; value < 1100; ++value) {
        const ErrorCode error = make_error_code(static_cast<Errc>(value));
        if (error.message() == "unknown multifd error") continue;
        INFO(value);
        CHECK(names.emplace(error_name(error)).second);
        CHECK(errc_of_name(error_name(error)) == static_cast<Errc>(value));
        CHECK(exit_code_of(error) != ExitCode::completed);
    }
    CHECK(names.size() >= 80);
    for (const char* last : {"ram_section_malformed", "packet_unexpected", "idx_exhausted",
                             "packet_size_disagree", "peer_failed", "output_failed"}) {
        CHECK(names.contains(last));
    }
}

TEST_CASE("names and numbers outside the list are harmless", "[wire]") {
    CHECK(errc_of_name("no_such_error") == Errc::ok);
    CHECK(error_name(make_error_code(static_cast<Errc>(99999))) == "internal_error");
    const ErrorCode refused = make_error_code(boost::system::errc::connection_refused);
    CHECK(error_name(refused) == "system");
    CHECK(exit_code_of(refused) == ExitCode::resources);
}
