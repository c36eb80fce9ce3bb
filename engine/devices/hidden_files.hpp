// The hidden files that an AtomicFile works with, and what a run that was killed left of them.
#pragma once

#include <string>
#include <vector>

namespace multifd {

/// "FOLDER/.NAME.multifd-part-k3x9q1", beside FOLDER/NAME:
///
///     part   bytes of a state that is still coming; worthless once nobody writes it
///     kept   a whole file that does not stand in its place: the former one until the new one is
///            settled, and for an instant before that the new one
///
/// Whoever works with them holds a lock (flock) on the part file, and after its publication on the
/// file at PATH, so that a file without one is known to be left over.
enum class HiddenKind { part, kept };

/// A new name each time.
std::string hidden_name(const std::string& path, HiddenKind kind);

/// The folder a file is in; "." of a bare name.
std::string folder_of(const std::string& path);

/// Takes the lock of an open file. False when somebody else holds it, or it cannot be locked.
bool lock_file(int file) noexcept;

/// Found beside a file that a run is about to write.
struct LeftoverFile {
    std::string path;
    HiddenKind kind = HiddenKind::part;
    bool removed = false;
};

/// What runs that were killed left beside `path`: parts are removed, unless somebody still works
/// with them; kept files are only named, since they are whole and somebody may want them back.
std::vector<LeftoverFile> clear_leftovers(const std::string& path);

}  // namespace multifd
