// Prints an inspection while it is made: as text, or as one JSON document.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
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

std::unique_ptr<InspectionPrinter> make_text_printer(TextSink sink);
/// A document with schema "multifd-inspection/1".
std::unique_ptr<InspectionPrinter> make_json_printer(TextSink sink);

}  // namespace multifd
