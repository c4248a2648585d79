// Words that stand out less than WCAG 2.2 AA asks for, each with its two colours as they are drawn.
() => {
    const channels = (color) => {
        const numbers = color.match(/[\d.]+/g).map(Number)
        const scale = color.startsWith('color(srgb') ? 255 : 1
        return [...numbers.slice(0, 3).map((number) => number * scale), numbers[3] ?? 1]
    }
    const over = (front, back) => [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3]))
    const luminance = (color) => {
        const [red, green, blue] = color
            .map((c) => c / 255)
            .map((c) => (c > 0.04045 ? ((c + 0.055) / 1.055) ** 2.4 : c / 12.92))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
    const drawn = (element) => {
        let back = [255, 255, 255], opacity = 1
        const line = []
        for (let up = element; up; up = up.parentElement) line.unshift(getComputedStyle(up))
        for (const style of line) {
            opacity *= Number(style.opacity)
            const [red, green, blue, alpha] = channels(style.backgroundColor)
            back = over([red, green, blue, alpha * opacity], back)
        }
        const [red, green, blue, alpha] = channels(line.at(-1).color)
        return [over([red, green, blue, alpha * opacity], back), back]
    }
    const dim = []
    const walker = document.createTreeWalker(document.querySelector('.stApp'), NodeFilter.SHOW_TEXT)
    for (let node; (node = walker.nextNode()); ) {
        const element = node.parentElement
        const is_seen = element.checkVisibility({visibilityProperty: true, opacityProperty: true})
        if (!node.data.trim() || !is_seen || element.closest('canvas, svg, style, [disabled]')) continue
        const [front, back] = drawn(element)
        const [dark, light] = [luminance(front), luminance(back)].sort((one, other) => one - other)
        const style = getComputedStyle(element)
        const size = parseFloat(style.fontSize)
        const is_large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700)
        if ((light + 0.05) / (dark + 0.05) < (is_large ? 3 : 4.5)) {
            dim.push(`${node.data.trim().slice(0, 40)}: ${front.map(Math.round)} on ${back.map(Math.round)}`)
        }
    }
    return dim
}
