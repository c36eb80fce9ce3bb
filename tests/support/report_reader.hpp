// Reads the JSON reports of the command, by dotted paths: "error.code", "devices.0.final-state".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace multifd {

/// One JSON document. What is missing or of another type reads as empty, zero or false, so that a
/// CHECK on it fails with both values shown.
class JsonReport {
  public:
    /// Empty when `text` is not exactly one JSON document.
    static std::optional<JsonReport> parse(std::string_view text);

    /// Present, and not null.
    [[nodiscard]] bool has(std::string_view path) const;
    [[nodiscard]] std::string text(std::string_view path) const;
    [[nodiscard]] std::uint64_t number(std::string_view path) const;
    [[nodiscard]] double real(std::string_view path) const;
    [[nodiscard]] bool flag(std::string_view path) const;
    /// Elements of an array, or members of an object.
    [[nodiscard]] std::size_t size(std::string_view path) const;
    /// The document, indented.
    [[nodiscard]] std::string whole() const;

  private:
    struct Document;
    explicit JsonReport(std::shared_ptr<const Document> document);

    std::shared_ptr<const Document> document_;
};

}  // namespace multifd
