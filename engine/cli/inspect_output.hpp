// Prints an inspection while it is made: as text, or as one JSON document.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/cli/inspect_extract.hpp"
#include "engine/cli/inspection.hpp"

namespace multifd {

/// What came after the files were read.
struct InspectionEnd {
    const Inspection& inspection;
    std::vector<ExtractedFile> extracted;
    std::optional<std::string> extract_error;
};

/// Takes the records as they come, and what was found at the end.
class InspectionPrinter : public RecordVisitor {
  public:
    virtual void finish(const InspectionEnd& end) = 0;
};

/// Where a printer's text goes, in pieces of some tens of KiB.
using TextSink = std::function<void(std::string_view)>;

/// Collects text into such pieces. What is left needs a last flush().
class BufferedText {
  public:
    explicit BufferedText(TextSink sink) : sink_(std::move(sink)) {}

    void add(std::string_view text) {
        waiting_ += text;
        if (waiting_.size() >= kFlushBytes) flush();
    }
    void flush() {
        sink_(waiting_);
        waiting_.clear();
    }

  private:
    static constexpr std::size_t kFlushBytes = 64 * 1024;

    TextSink sink_;
    std::string waiting_;
};

std::unique_ptr<InspectionPrinter> make_text_printer(TextSink sink);
/// A document with schema "multifd-inspection/1".
std::unique_ptr<InspectionPrinter> make_json_printer(TextSink sink);

}  // namespace multifd
