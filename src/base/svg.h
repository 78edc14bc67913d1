// Pictures as SVG 1.1 text: shapes and text one after the other, in user units. The same calls give the same
// bytes.
//
//   Svg svg(200, 100, ".mark { fill: #D55E00 }");
//   svg.rect({10, 10, 20, 20}, "mark");
//   svg.text(40, 25, "a < b", "label");
//   write(svg.finish());
#pragma once

#include <string>
#include <string_view>

namespace ladon {

// Text with what XML would take for markup escaped, and what XML cannot hold replaced by '?'.
[[nodiscard]] std::string xml_escaped(std::string_view text);
// At most two decimals, no trailing zeros: "3", "0.5", "-1.25".
[[nodiscard]] std::string svg_number(double value);

class Svg {
 public:
  struct Rect {
    double x = 0, y = 0, width = 0, height = 0;
  };
  enum class Anchor { start, middle, end };

  // `style`: CSS for the classes that shapes and text name.
  Svg(double width, double height, std::string_view title, std::string_view style);

  void rect(const Rect& at, std::string_view css_class);
  void circle(double x, double y, double radius, std::string_view css_class);
  void line(double x1, double y1, double x2, double y2, std::string_view css_class);
  // Rectangles of one class as one shape: `add` each, then draw.
  class Rects {
   public:
    void add(const Rect& at);
    [[nodiscard]] bool empty() const { return path_.empty(); }

   private:
    friend class Svg;
    std::string path_;
  };
  void draw(const Rects& rects, std::string_view css_class);
  void text(double x, double y, std::string_view text, std::string_view css_class,
            Anchor anchor = Anchor::start);

  // `title`: what a browser shows when it is pointed at; may be empty.
  void open_group(std::string_view title = {});
  void close_group();
  // For those who look for a part of the picture in its text. No "--" inside.
  void comment(std::string_view text);

  [[nodiscard]] std::string finish() const { return text_ + "</svg>\n"; }

 private:
  std::string text_;
};

}  // namespace ladon
