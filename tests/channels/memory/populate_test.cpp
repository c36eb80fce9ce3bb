#include "channels/memory/populate.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

constexpr std::size_t kPages = 16;
constexpr std::size_t kPage = limits::kPageBytes;

/// Pages that nobody has touched.
class Mapping {
  public:
    Mapping() {
        void* const memory = ::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(memory != MAP_FAILED);
        bytes_ = {static_cast<std::byte*>(memory), kPages * kPage};
        // One page at a time, so that a neighbour says nothing.
        ::madvise(memory, bytes_.size(), MADV_NOHUGEPAGE);
    }
    ~Mapping() { ::munmap(bytes_.data(), bytes_.size()); }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;

    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
    [[nodiscard]] std::vector<bool> present() const {
        std::vector<unsigned char> pages(kPages);
        REQUIRE(::mincore(bytes_.data(), bytes_.size(), pages.data()) == 0);
        std::vector<bool> all;
        for (const auto page : pages) all.push_back((page & 1U) != 0);
        return all;
    }

  private:
    std::span<std::byte> bytes_;
};

std::vector<bool> pages(std::size_t first, std::size_t last) {
    std::vector<bool> all(kPages);
    for (std::size_t i = first; i < last; ++i) all[i] = true;
    return all;
}

TEST_CASE("every page of a span is there after populate, and no other", "[populate]") {
    const Mapping mapping;
    REQUIRE(mapping.present() == pages(0, 0));
    SECTION("whole pages") {
        populate(mapping.bytes().subspan(2 * kPage, 3 * kPage));
        CHECK(mapping.present() == pages(2, 5));
    }
    SECTION("from the middle of a page to the middle of another") {
        populate(mapping.bytes().subspan(2 * kPage + 100, 3 * kPage));
        CHECK(mapping.present() == pages(2, 6));
    }
    SECTION("one byte, the last of a page") {
        populate(mapping.bytes().subspan(3 * kPage - 1, 1));
        CHECK(mapping.present() == pages(2, 3));
    }
    SECTION("nothing") {
        populate({});
        populate(mapping.bytes().first(0));
        CHECK(mapping.present() == pages(0, 0));
    }
}

TEST_CASE("populate changes no byte, also where it cannot do anything", "[populate]") {
    const Mapping mapping;
    std::ranges::fill(mapping.bytes().subspan(kPage, kPage), std::byte{7});
    populate(mapping.bytes());
    CHECK(std::ranges::count(mapping.bytes(), std::byte{7}) == kPage);
    ::mprotect(mapping.bytes().data(), mapping.bytes().size(), PROT_READ);
    populate(mapping.bytes());
    CHECK(std::ranges::count(mapping.bytes(), std::byte{7}) == kPage);
}

}  // namespace
}  // namespace multifd
