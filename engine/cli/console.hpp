// Console: the command's stderr, with at most one live line below the lines that stay.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

namespace multifd {

/// Writes whole lines to one descriptor and keeps the live line, if any, at the bottom.
/// Ownership: borrows the descriptor.
/// Threads:   every member may be called from any thread.
/// Blocking:  for a fifth of a second at most: a line that nobody takes by then is dropped, and so
///            are all that follow until somebody reads again.
/// Errors:    a descriptor that cannot be written is ignored: there is nowhere left to complain.
class Console {
  public:
    enum class Style { plain, warning, error };

    /// What the descriptor is; asked from the system by describe(), chosen freely by tests.
    struct Traits {
        bool terminal = false;  ///< Repaints a live line; without it show_live() does nothing.
        bool color = false;
    };
    /// A terminal that can repaint; color unless NO_COLOR is set and not empty, or TERM is dumb.
    static Traits describe(int descriptor);

    explicit Console(int descriptor);
    Console(int descriptor, Traits traits);
    ~Console();  ///< Erases the live line.
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;

    /// One line that stays. Control bytes in `text` are shown as '?'.
    void print_line(std::string_view text, Style style = Style::plain);
    /// Replaces the live line; cut to the terminal's width.
    void show_live(std::string_view text);
    void clear_live();
    [[nodiscard]] bool is_terminal() const noexcept { return traits_.terminal; }
    /// Columns of the terminal now; 80 when it does not say.
    [[nodiscard]] std::size_t width() const noexcept;

  private:
    void write_all(std::string_view bytes) noexcept;

    const int descriptor_;
    const Traits traits_;

    std::mutex mutex_;  ///< Guards what follows and the order of writes.
    std::string live_;
    bool blocked_ = false;  ///< The last line found nobody who takes it.
};

}  // namespace multifd
